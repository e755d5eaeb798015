import { type Connection, connect } from '@yilian/ledger';
import { type Change, type Foundation, MainChain } from '@yilian/main-chain';
import { canonicalJson, type RegionEntry, type Trust } from '@yilian/protocol';
import { type Description, MAIN, majorityOf } from './description.ts';
import { DeployError } from './errors.ts';
import type { Layout } from './layout.ts';

/** How long trust roots that were exchanged count beside the new ones. */
const OVERLAP_MS = 30 * 24 * 3_600_000;
/** How long before they are in force the authorities' new trust roots are known. */
const NOTICE_MS = 15_000;
const MAX_TRUSTS = 4;

/** The administrators of this machine's authorities, and what they agree on about the main chain's registry. */
export class Registrar implements Disposable {
  readonly #layout: Layout;
  readonly #connections: ReadonlyMap<string, Connection>;

  private constructor(layout: Layout, connections: ReadonlyMap<string, Connection>) {
    this.#layout = layout;
    this.#connections = connections;
  }

  static async open(layout: Layout, { authorities }: Description = layout.description): Promise<Registrar> {
    const connections = new Map<string, Connection>();
    for (const { mspId } of authorities.filter((authority) => layout.holds(authority.mspId)))
      connections.set(mspId, await administrator(layout, MAIN, mspId));
    return new Registrar(layout, connections);
  }

  /** As the first of them sees it. */
  get chain(): MainChain {
    return this.#chains()[0] ?? unknown();
  }

  /** A majority of those whose voice counts now approves of a change, as far as they are here; says whether it is in force. */
  async approve(change: Change): Promise<boolean> {
    const { voters, needed } = votersOf(await this.chain.foundation());
    for (const chain of this.#chains(voters).slice(0, needed)) {
      const { result } = await chain.approve(change);
      const { applied } = JSON.parse(new TextDecoder().decode(result)) as { readonly applied: boolean };
      if (applied) return true;
    }
    return false;
  }

  /** Brings a region's entry to what the layout says, its trust roots with an overlap; says whether there was anything to do. */
  async updateRegion(known: RegionEntry): Promise<boolean> {
    const entry = await nextEntry(this.#layout, known);
    if (entry === undefined) return false;
    await this.approve({ kind: 'region', entry });
    return true;
  }

  /**
   * Brings the authorities' trust roots to what the layout says. They come into force a little later, when the regions have
   * mirrored them; one that is away then can still do so while the roots before count as well.
   * @returns when they do, epoch milliseconds; undefined when there was nothing to do
   */
  async updateMain(): Promise<number | undefined> {
    const [newest] = (await this.chain.foundation()).main;
    const trust = await this.#layout.trust(MAIN);
    if (newest === undefined) return undefined;
    if (isSameTrust(newest, trust)) return newest.validFrom > Date.now() ? newest.validFrom : undefined;
    const validFrom = Date.now() + NOTICE_MS;
    const entry = { ...trust, version: newest.version + 1, validFrom };
    await this.approve({ kind: 'main', entry, overlapUntil: validFrom + OVERLAP_MS });
    return validFrom;
  }

  /** What {@link updateRegion} and {@link updateMain} would do. */
  async proposed(): Promise<readonly string[]> {
    const { description } = this.#layout;
    const known = await this.chain.regions();
    const foundation = await this.chain.foundation();
    const [newest] = foundation.main;
    const changed = await Promise.all(known.map(({ entry }) => nextEntry(this.#layout, entry)));
    const coming = description.regions.filter(({ region }) => known.every(({ entry }) => entry.region !== region));
    const lines = [
      ...(newest === undefined || isSameTrust(newest, await this.#layout.trust(MAIN))
        ? []
        : ['the authorities get new trust roots']),
      ...changed.flatMap((entry) =>
        entry === undefined ? [] : [`the main chain gets a new entry of ${entry.region}`],
      ),
      ...coming.map(({ region }) => `the main chain gets the entry of ${region}`),
    ];
    const { voters, needed } = votersOf(foundation);
    return lines.map((line) => `${line}, approved by ${needed} of ${voters.join(', ')}`);
  }

  #chains(mspIds: readonly string[] = [...this.#connections.keys()]): readonly MainChain[] {
    return [...this.#connections]
      .filter(([mspId]) => mspIds.includes(mspId))
      .map(([, connection]) => new MainChain(connection, MAIN));
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections.values()) connection.close();
  }
}

/** The authorities whose voice counts now, and how many of them decide. */
function votersOf({ main: [newest] }: Foundation): { readonly voters: readonly string[]; readonly needed: number } {
  const voters = (newest?.organisations ?? []).map(({ mspId }) => mspId);
  return { voters, needed: majorityOf(voters.length) };
}

/** An organisation's administrator at its own peer of a network. */
export async function administrator(layout: Layout, network: string, mspId: string): Promise<Connection> {
  const { certificate, privateKey } = await layout.credential(mspId, 'admin');
  return connect({ ...(await layout.client(network, mspId)), identity: { mspId, certificate }, privateKey });
}

/** A region as it is entered the first time. */
export async function regionEntry(layout: Layout, name: string): Promise<RegionEntry> {
  const region = layout.region(name);
  const certificates = await layout.relayCertificates(region);
  const url = layout.url(`${name}/relay`);
  return {
    federation: layout.description.federation,
    region: name,
    name: region.name,
    version: 1,
    trusts: [await layout.trust(name)],
    relays: certificates.map((certificate) => ({ url, certificate })),
    holders: [...layout.holders(region)],
    frozen: false,
  };
}

/** A region's next entry, when what the layout says is not what is entered. */
async function nextEntry(layout: Layout, known: RegionEntry): Promise<RegionEntry | undefined> {
  const { relays, holders, trusts } = await regionEntry(layout, known.region);
  const [newest] = known.trusts;
  const [trust] = trusts;
  if (newest === undefined || trust === undefined) return undefined;
  const isSame = isSameTrust(newest, trust);
  if (isSame && canonicalJson([relays, holders]) === canonicalJson([known.relays, known.holders])) return undefined;
  const next = isSame ? known.trusts : rotated(known.trusts, trust, Date.now());
  return { ...known, version: known.version + 1, relays, holders, trusts: next };
}

function rotated(trusts: readonly Trust[], next: Trust, now: number): Trust[] {
  const version = (trusts[0]?.version ?? 0) + 1;
  const ended = trusts.map((trust) => ({ ...trust, validUntil: trust.validUntil ?? now + OVERLAP_MS }));
  return [{ ...next, version, validFrom: now }, ...ended].slice(0, MAX_TRUSTS);
}

/** The same organisations and policies, whatever the version and its time. */
function isSameTrust(one: Trust, other: Trust): boolean {
  const terms = ({ endorsement, attestation, organisations }: Trust) =>
    JSON.stringify([endorsement, attestation, organisations.map(({ mspId, roots }) => [mspId, roots])]);
  return terms(one) === terms(other);
}

function unknown(): never {
  throw new DeployError('DESCRIPTION_INVALID', 'there is no authority');
}

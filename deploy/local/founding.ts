import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, LedgerError } from '@yilian/ledger';
import type { Change, MainChain } from '@yilian/main-chain';
import type { RegionEntry } from '@yilian/protocol';
import { RegionalChain } from '@yilian/regional-chain';
import { commission, hospitals, proxyHosts, type RegionDescription } from './description.ts';
import { DeployError } from './errors.ts';
import type { Layout } from './layout.ts';
import { administrator, Registrar, regionEntry } from './registrar.ts';

export interface FoundingOptions {
  /** How long authorities on other hosts may take to agree. */
  readonly patienceMs?: number | undefined;
  readonly signal?: AbortSignal;
}

/** How long hosts wait for each other when nobody says. */
export const PATIENCE_MS = 600_000;
const POLL_MS = 500;

/**
 * Founds the chains: the main chain's genesis, every region's foundation on it, the scopes and the regions' entries,
 * each approved by a majority of the authorities. What is there already stays. A host does so for its own authorities
 * and regions, and waits until those of other hosts have made up the majority.
 * @throws DeployError NOT_READY when they take too long
 */
export async function found(layout: Layout, options: FoundingOptions = {}): Promise<void> {
  const genesis = await layout.genesis();
  const { regions, description } = layout;
  for (const { mspId } of regions.flatMap(hospitals)) await layout.credential(mspId, 'hospital');
  {
    using registrar = await Registrar.open(layout);
    const { chain } = registrar;
    const patiently = patienceOf(layout, options);
    const approve = (what: string, change: Change, isInForce: () => Promise<boolean>): Promise<void> =>
      patiently(what, async () => (await isInForce()) || (await registrar.approve(change)));
    await patiently('the foundation of the main chain', async () => {
      if (!(await isFounded(chain))) await once(chain.found(genesis), 'FOUNDED');
      return true;
    });
    const scopes: Change = { kind: 'scopes', entry: { version: 1, scopes: [...description.scopes] } };
    await approve('the list of scopes', scopes, async () => (await chain.scopes()).length > 0);
    for (const { region } of description.regions) {
      const change: Change = { kind: 'region', entry: await regionEntry(layout, region) };
      const isKnown = async () => (await chain.regions()).some(({ entry }) => entry.region === region);
      await approve(`the entry of ${region}`, change, isKnown);
    }
  }
  await Promise.all(
    regions.map(async (region) => {
      using connection = await administrator(layout, region.region, commission(region).mspId);
      await once(new RegionalChain(connection, region.region).found(region.region, genesis), 'FOUNDED');
    }),
  );
}

/** Looks through this machine's regions' chains whether everything found its place. */
export class FederationWatch implements Disposable {
  readonly #layout: Layout;
  readonly #connections = new Map<string, Connection>();

  private constructor(layout: Layout) {
    this.#layout = layout;
  }

  static async open(layout: Layout): Promise<FederationWatch> {
    const watch = new FederationWatch(layout);
    for (const region of layout.regions) {
      const connection = await administrator(layout, region.region, commission(region).mspId);
      watch.#connections.set(region.region, connection);
    }
    return watch;
  }

  /** Whether every region of this machine has mirrored the scopes and every region's entry, and every proxy has registered its key. */
  async settled(): Promise<boolean> {
    const checks = await Promise.all(this.#layout.regions.map((region) => this.#isSettled(region)));
    return checks.every((ready) => ready);
  }

  /** Whether every region of this machine has mirrored what the main chain has of the others now, or newer. */
  async mirrored(entries: readonly RegionEntry[]): Promise<boolean> {
    const checks = [...this.#connections].map(async ([region, connection]) => {
      const chain = new RegionalChain(connection, region);
      const mirrors = await Promise.all(entries.map((entry) => chain.mirrorOf(entry.region)));
      return mirrors.every((mirror, index) => mirror.entry.version >= (entries[index]?.version ?? 0));
    });
    return (await Promise.all(checks)).every((holds) => holds);
  }

  async #isSettled(region: RegionDescription): Promise<boolean> {
    const connection = this.#connections.get(region.region);
    if (connection === undefined) return false;
    try {
      const chain = new RegionalChain(connection, region.region);
      const [scopes, proxies] = await Promise.all([chain.scopes(), chain.proxies()]);
      for (const other of this.#layout.description.regions) await chain.mirrorOf(other.region);
      return scopes.version > 0 && proxies.length === proxyHosts(region).length;
    } catch (error) {
      if (error instanceof LedgerError && error.code === 'CONTRACT') return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections.values()) connection.close();
  }
}

/** Does something again while other hosts may be what it fails on; on one machine, once. */
function patienceOf({ host }: Layout, { patienceMs = PATIENCE_MS, signal }: FoundingOptions) {
  const deadline = Date.now() + patienceMs;
  return async (what: string, work: () => Promise<boolean>): Promise<void> => {
    for (;;) {
      let cause: unknown;
      try {
        if (await work()) return;
      } catch (error) {
        cause = error;
        if (!(error instanceof LedgerError) || host === undefined) throw error;
      }
      if (host === undefined || Date.now() > deadline)
        throw new DeployError('NOT_READY', `${what} waits for the authorities of other hosts`, { cause });
      await delay(POLL_MS, undefined, { signal });
    }
  };
}

/** As the own peer knows it: whoever comes back alone has nothing left to ask others for. */
async function isFounded(chain: MainChain): Promise<boolean> {
  return chain.foundation().then(
    () => true,
    (error: unknown) => {
      if (error instanceof LedgerError && error.code === 'CONTRACT') return false;
      throw error;
    },
  );
}

/** Lets a refusal with this code pass: somebody did it before. */
async function once(call: Promise<unknown>, code: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LedgerError && error.contractCode === code)) throw error;
  }
}

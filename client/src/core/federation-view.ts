import type { Genesis, OutcomeProof, RegionEntry, ScopeEntry, Trust } from '@yilian/protocol';
import { ClientError, checked } from './client-error.ts';
import { proveRegion, proveRotations } from './proofs.ts';
import type { RelayClient } from './relay-client.ts';

interface Region {
  readonly entry: RegionEntry;
  readonly proof: OutcomeProof;
}

/** What a relay or a dossier says, unproven. */
interface Told {
  readonly mainHeight: number;
  readonly scopes: readonly ScopeEntry[];
  readonly main: readonly OutcomeProof[];
  readonly proofs: readonly OutcomeProof[];
}

/**
 * The federation as its main chain registers it. Every region's entry is proven from the pinned genesis; the height
 * and the titles of scopes are the relay's word. A relay can withhold a newer entry: whoever must exclude that
 * compares {@link FederationView.versions} with those it saw before.
 */
export class FederationView {
  readonly federation: string;
  readonly genesis: Genesis;
  /** Main-chain height as the relay says. */
  readonly mainHeight: number;
  /** Scopes as the relay lists them. */
  readonly scopes: readonly ScopeEntry[];
  /** The proofs that lead from the genesis to the main chain's trust roots, for a dossier. */
  readonly rotations: readonly OutcomeProof[];
  /** Newest first. */
  readonly #main: readonly Trust[];
  readonly #regions: ReadonlyMap<string, Region>;

  private constructor(genesis: Genesis, told: Told, times: readonly (number | 'own')[]) {
    this.genesis = genesis;
    this.federation = genesis.federation;
    this.mainHeight = told.mainHeight;
    this.scopes = told.scopes;
    this.rotations = told.main;
    this.#main = checked('ROTATION_INVALID', 'the main chain’s trust roots are not proven', () =>
      proveRotations(told.main, genesis.main, times),
    );
    // An entry older than the roots it is attested under anew is held against the time at which those began.
    const began = this.#main.map(({ validFrom }) => validFrom);
    const regions = proven(told.proofs, genesis, this.#main, [...times, ...began]);
    this.#regions = new Map(regions.map((region) => [region.entry.region, region]));
  }

  /** @param at epoch milliseconds. @throws FEDERATION_MISMATCH ROTATION_INVALID REGION_ENTRY_INVALID, and what the relay's calls throw */
  static async load(relay: RelayClient, genesis: Genesis, at: number = Date.now()): Promise<FederationView> {
    const reply = await relay.federation();
    if (reply.federation !== genesis.federation)
      throw new ClientError('FEDERATION_MISMATCH', 'the relay is of another federation');
    const proofs = reply.regions.map(({ proof }) => proof);
    return new FederationView(genesis, { ...reply, proofs }, [at, 'own']);
  }

  /** A view of nothing but proofs, each checked at its own time. @throws ROTATION_INVALID REGION_ENTRY_INVALID */
  static fromProofs(
    proofs: readonly OutcomeProof[],
    genesis: Genesis,
    main: readonly OutcomeProof[] = [],
  ): FederationView {
    return new FederationView(genesis, { mainHeight: 0, scopes: [], main, proofs }, ['own']);
  }

  regions(): readonly RegionEntry[] {
    return [...this.#regions.values()].map(({ entry }) => entry);
  }

  /** Every region's version, to be kept and compared. */
  versions(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.regions().map(({ region, version }) => [region, version]));
  }

  /** @throws REGION_UNKNOWN */
  region(id: string): RegionEntry {
    return this.#region(id).entry;
  }

  /** The trust roots a network's proofs are checked against; `main` is the main chain. @throws REGION_UNKNOWN */
  trusts(id: string): readonly Trust[] {
    return id === this.genesis.main.network ? this.#main : this.region(id).trusts;
  }

  /** @throws REGION_UNKNOWN */
  relayUrl(id: string): string {
    const [relay] = this.region(id).relays;
    if (relay === undefined) throw new ClientError('REGION_UNKNOWN', `region ${id} has no relay`);
    return relay.url;
  }

  /** The proof of a region's entry, for a dossier. @throws REGION_UNKNOWN */
  proof(id: string): OutcomeProof {
    return this.#region(id).proof;
  }

  #region(id: string): Region {
    const region = this.#regions.get(id);
    if (region === undefined) throw new ClientError('REGION_UNKNOWN', `no region ${id} in this view`);
    return region;
  }
}

function proven(
  proofs: readonly OutcomeProof[],
  genesis: Genesis,
  main: readonly Trust[],
  times: readonly (number | 'own')[],
): Region[] {
  const regions = proofs.map((proof) => ({
    proof,
    entry: checked('REGION_ENTRY_INVALID', 'a region is not registered as claimed', () =>
      proveRegion(proof, main, genesis.federation, times),
    ),
  }));
  if (regions.some(({ entry }) => entry.region === genesis.main.network))
    throw new ClientError('REGION_ENTRY_INVALID', 'a region has the main chain’s name');
  if (new Set(regions.map(({ entry }) => entry.region)).size !== regions.length)
    throw new ClientError('REGION_ENTRY_INVALID', 'a region is named twice');
  return regions;
}

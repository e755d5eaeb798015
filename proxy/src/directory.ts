import type { MainChain } from '@yilian/main-chain';
import { type RegionEntry, type Trust, trustsAt } from '@yilian/protocol';
import type { Mirror, RegionalChain } from '@yilian/regional-chain';
import type { Clock } from './clock.ts';
import { isRefusal, ProxyError } from './errors.ts';

/** Who may order something of this proxy, and the network's own trust roots. */
export interface Directory {
  /** The region whose relay sent an envelope. @throws REGION_FOREIGN REGION_UNKNOWN REGION_FROZEN NOT_READY */
  sender(from: string): Promise<RegionEntry>;
  /** The version of the network's trust roots in force: the newest, or the one asked for. @throws NOT_READY TRUST_EXPIRED */
  trustVersion(asked?: number): Promise<number>;
}

/** What the chain says changes seldom, and must be known soon when it does. */
const FRESH_MS = 1_000;

/** A value read anew when it is older than a second; callers at one time share one reading. */
class Fresh<T> {
  readonly #read: () => Promise<T>;
  #value: Promise<T> | undefined;
  #until = 0;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  get(): Promise<T> {
    if (this.#value === undefined || performance.now() > this.#until) {
      const value = this.#read();
      this.#value = value;
      this.#until = performance.now() + FRESH_MS;
      value.catch(() => {
        if (this.#value === value) this.#value = undefined;
      });
    }
    return this.#value;
  }
}

/** A region's proxy takes orders of its own region's relays only. */
export class RegionDirectory implements Directory {
  readonly #chain: RegionalChain;
  readonly #region: string;
  readonly #clock: Clock;
  readonly #mirrors = new Map<string, Fresh<Mirror>>();

  constructor(chain: RegionalChain, region: string, clock: Clock) {
    this.#chain = chain;
    this.#region = region;
    this.#clock = clock;
  }

  async sender(from: string): Promise<RegionEntry> {
    if (from !== this.#region) throw new ProxyError('REGION_FOREIGN', 'this proxy serves the relays of its own region');
    return standing(await this.entry(this.#region));
  }

  async trustVersion(asked?: number): Promise<number> {
    return inForce((await this.entry(this.#region)).trusts, this.#clock.now(), asked);
  }

  /** A region as mirrored here. @throws NOT_READY REGION_UNKNOWN */
  async entry(region: string): Promise<RegionEntry> {
    const known = this.#mirrors.get(region) ?? new Fresh(() => this.#chain.mirrorOf(region));
    this.#mirrors.set(region, known);
    try {
      return (await known.get()).entry;
    } catch (cause) {
      this.#mirrors.delete(region);
      if (region === this.#region && (isRefusal(cause, 'REGION_UNKNOWN') || isRefusal(cause, 'NOT_FOUNDED')))
        throw new ProxyError('NOT_READY', 'the region is not mirrored on its own chain yet', { cause });
      throw cause;
    }
  }
}

/** An authority's attester takes orders of every registered region's relays. */
export class MainDirectory implements Directory {
  readonly #regions: Fresh<ReadonlyMap<string, RegionEntry>>;
  readonly #trusts: Fresh<readonly Trust[]>;
  readonly #clock: Clock;

  constructor(chain: MainChain, clock: Clock) {
    this.#clock = clock;
    this.#regions = new Fresh(async () => new Map((await chain.regions()).map(({ entry }) => [entry.region, entry])));
    this.#trusts = new Fresh(async () => (await chain.foundation()).main);
  }

  async sender(from: string): Promise<RegionEntry> {
    const entry = (await this.#regions.get()).get(from);
    if (entry === undefined) throw new ProxyError('REGION_UNKNOWN', 'no such region');
    return standing(entry);
  }

  async trustVersion(asked?: number): Promise<number> {
    return inForce(await this.#trusts.get(), this.#clock.now(), asked);
  }
}

function standing(entry: RegionEntry): RegionEntry {
  if (entry.frozen) throw new ProxyError('REGION_FROZEN', 'the region is frozen');
  return entry;
}

function inForce(trusts: readonly Trust[], at: number, asked?: number): number {
  const versions = trustsAt(trusts, at).map(({ version }) => version);
  const [newest] = versions;
  if (newest === undefined) throw new ProxyError('NOT_READY', 'no version of the trust roots is in force');
  if (asked === undefined) return newest;
  if (versions.includes(asked)) return asked;
  throw new ProxyError('TRUST_EXPIRED', `version ${asked} of the trust roots is not in force`);
}

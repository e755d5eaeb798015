import type { OwnView } from '@yilian/ledger';
import type { Foundation, MainChain, RegionState, ScopeState } from '@yilian/main-chain';
import type { RegionEntry, Trust } from '@yilian/protocol';
import { RelayError } from './errors.ts';

/** The main chain as the own authority's peer showed it at one moment. */
export interface View {
  readonly at: number;
  readonly height: number;
  readonly regions: readonly RegionState[];
  readonly foundation: Foundation;
  readonly scopes: ScopeState;
}

/** A view older than this says nothing. */
const MAX_AGE_MS = 30_000;
/** An unknown region is looked up again, but not more often. */
const MIN_AGE_MS = 250;

/** The relay's local view of the main chain: regions, their relays and trust roots, scopes. */
export class Directory {
  readonly #main: MainChain;
  readonly #own: OwnView;
  #view: View | undefined;
  #refreshing: Promise<View> | undefined;

  constructor(main: MainChain, own: OwnView) {
    this.#main = main;
    this.#own = own;
  }

  get ageMs(): number {
    return this.#view === undefined ? Number.MAX_SAFE_INTEGER : Date.now() - this.#view.at;
  }

  refresh(): Promise<View> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** @throws VIEW_STALE */
  async view(): Promise<View> {
    if (this.#view !== undefined && this.ageMs <= MAX_AGE_MS) return this.#view;
    try {
      return await this.refresh();
    } catch (cause) {
      throw new RelayError('VIEW_STALE', 'the view of the main chain is too old', { cause });
    }
  }

  /** @throws REGION_UNKNOWN VIEW_STALE */
  async region(region: string): Promise<RegionEntry> {
    const view = await this.view();
    const known = entryOf(view, region);
    if (known !== undefined) return known;
    const entry = this.ageMs > MIN_AGE_MS ? entryOf(await this.refresh(), region) : undefined;
    if (entry === undefined) throw new RelayError('REGION_UNKNOWN', 'no such region');
    return entry;
  }

  /** A region in good standing. @throws REGION_UNKNOWN REGION_FROZEN VIEW_STALE */
  async activeRegion(region: string): Promise<RegionEntry> {
    const entry = await this.region(region);
    if (entry.frozen) throw new RelayError('REGION_FROZEN', `region ${region} is frozen`);
    return entry;
  }

  /** The main chain's own trust roots, newest first. */
  async mainTrusts(): Promise<readonly Trust[]> {
    return (await this.view()).foundation.main;
  }

  async #read(): Promise<View> {
    const at = Date.now();
    const [height, regions, foundation, scopes] = await Promise.all([
      this.#own.height(),
      this.#main.regions(),
      this.#main.foundation(),
      this.#main.scopeState(),
    ]);
    this.#view = { at, height, regions, foundation, scopes };
    return this.#view;
  }
}

function entryOf(view: View, region: string): RegionEntry | undefined {
  return view.regions.find(({ entry }) => entry.region === region)?.entry;
}

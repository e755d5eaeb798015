import type { RegionalChain } from '@yilian/regional-chain';
import type { Witnesses } from './attestations.ts';
import type { Directory, View } from './directory.ts';
import { refusalOf } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { Rotations } from './rotations.ts';

export interface RegionMirrorsOptions {
  readonly chain: RegionalChain;
  readonly directory: Directory;
  readonly attesters: Witnesses;
  readonly rotations: Rotations;
}

/** Copies what the main chain registers about regions to the own chain, each change with its proof. */
export class RegionMirrors {
  readonly #options: RegionMirrorsOptions;
  /** Versions that the own chain is known to have: it may have newer ones, never older. */
  readonly #mirrored = new Map<string, number>();
  #main = 0;
  #scopes = 0;
  #running: Promise<number> | undefined;

  constructor(options: RegionMirrorsOptions) {
    this.#options = options;
  }

  /** Whether the main chain has something newer than what the own chain is known to have. */
  async isDue(): Promise<boolean> {
    const { regions, foundation, scopes } = await this.#options.directory.refresh();
    return (
      newestMain(foundation) > this.#main ||
      scopes.version > this.#scopes ||
      regions.some(({ entry }) => entry.version > (this.#mirrored.get(entry.region) ?? 0))
    );
  }

  /** Mirrors every entry that is newer on the main chain; returns how many. Calls at the same time run once. */
  run(): Promise<number> {
    this.#running ??= this.#mirror().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #mirror(): Promise<number> {
    const { chain, directory, attesters, rotations } = this.#options;
    const { regions, foundation, scopes } = await directory.refresh();
    let count = 0;
    if (newestMain(foundation) > this.#main) this.#main = (await chain.foundation()).main[0]?.version ?? 0;
    for (const { version, transactionId } of foundation.rotations ?? []) {
      if (version <= this.#main) continue;
      await chain.mirrorRegion(await rotations.proof(version, transactionId));
      this.#main = version;
      count += 1;
    }
    if (scopes.version > this.#scopes) this.#scopes = (await chain.scopes()).version;
    if (scopes.version > this.#scopes) {
      await chain.mirrorRegion(await attesters.prove(scopes.transactionId));
      this.#scopes = scopes.version;
      count += 1;
    }
    for (const { entry, transactionId } of regions) {
      if ((await this.#versionOf(entry.region)) >= entry.version) continue;
      const proof = await attesters.prove(transactionId);
      failpoint('region.proven');
      await chain.mirrorRegion(proof);
      this.#mirrored.set(entry.region, entry.version);
      count += 1;
    }
    return count;
  }

  async #versionOf(region: string): Promise<number> {
    const known = this.#mirrored.get(region);
    if (known !== undefined) return known;
    try {
      const { entry } = await this.#options.chain.mirrorOf(region);
      this.#mirrored.set(region, entry.version);
      return entry.version;
    } catch (error) {
      if (refusalOf(error) === 'REGION_UNKNOWN') return 0;
      throw error;
    }
  }
}

function newestMain({ rotations = [] }: View['foundation']): number {
  return Math.max(0, ...rotations.map(({ version }) => version));
}

import { type Connection, LedgerError } from '@yilian/ledger';
import { RegionalChain } from '@yilian/regional-chain';
import { commission, hospitals, proxyHosts, type RegionDescription } from './description.ts';
import type { Layout } from './layout.ts';
import { administrator, Registrar, regionEntry } from './registrar.ts';

/**
 * Founds the chains: the main chain's genesis, every region's foundation on it, the scopes and the regions' entries,
 * each approved by a majority of the authorities. What is there already stays.
 */
export async function found(layout: Layout): Promise<void> {
  const genesis = await layout.genesis();
  const { regions, scopes } = layout.description;
  for (const { mspId } of regions.flatMap(hospitals)) await layout.credential(mspId, 'hospital');
  {
    using registrar = await Registrar.open(layout);
    const { chain } = registrar;
    await once(chain.found(genesis), 'FOUNDED');
    if ((await chain.scopes()).length === 0)
      await registrar.approve({ kind: 'scopes', entry: { version: 1, scopes: [...scopes] } });
    const known = new Set((await chain.regions()).map(({ entry }) => entry.region));
    for (const region of regions) {
      if (!known.has(region.region))
        await registrar.approve({ kind: 'region', entry: await regionEntry(layout, region.region) });
    }
  }
  await Promise.all(
    regions.map(async (region) => {
      using connection = await administrator(layout, region.region, commission(region).mspId);
      await once(new RegionalChain(connection, region.region).found(region.region, genesis), 'FOUNDED');
    }),
  );
}

/** Looks through the regions' chains whether everything found its place. */
export class FederationWatch implements Disposable {
  readonly #layout: Layout;
  readonly #connections = new Map<string, Connection>();

  private constructor(layout: Layout) {
    this.#layout = layout;
  }

  static async open(layout: Layout): Promise<FederationWatch> {
    const watch = new FederationWatch(layout);
    for (const region of layout.description.regions) {
      const connection = await administrator(layout, region.region, commission(region).mspId);
      watch.#connections.set(region.region, connection);
    }
    return watch;
  }

  /** Whether every region has mirrored the scopes and every region's entry, and every proxy has registered its key. */
  async settled(): Promise<boolean> {
    const checks = await Promise.all(this.#layout.description.regions.map((region) => this.#isSettled(region)));
    return checks.every((ready) => ready);
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

/** Lets a refusal with this code pass: somebody did it before. */
async function once(call: Promise<unknown>, code: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LedgerError && error.contractCode === code)) throw error;
  }
}

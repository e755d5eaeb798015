import { type Connection, connect, LedgerError } from '@yilian/ledger';
import { type Change, MainChain } from '@yilian/main-chain';
import type { RegionEntry } from '@yilian/protocol';
import { RegionalChain } from '@yilian/regional-chain';
import { commission, hospitals, MAIN, proxyHosts, type RegionDescription } from './description.ts';
import type { Layout } from './layout.ts';

/**
 * Founds the chains: the main chain's genesis, every region's foundation on it, the scopes and the regions' entries,
 * each approved by a majority of the authorities. What is there already stays.
 */
export async function found(layout: Layout): Promise<void> {
  const genesis = await layout.genesis();
  const { authorities, regions, scopes } = layout.description;
  for (const { mspId } of regions.flatMap(hospitals)) await layout.credential(mspId, 'hospital');
  const administrators = await Promise.all(authorities.map(({ mspId }) => administrator(layout, MAIN, mspId)));
  try {
    const chains = administrators.map((connection) => new MainChain(connection, MAIN));
    const [first] = chains;
    if (first === undefined) return;
    await once(first.found(genesis), 'FOUNDED');
    const majority = chains.slice(0, Math.floor(chains.length / 2) + 1);
    if ((await first.scopes()).length === 0)
      await approve(majority, { kind: 'scopes', entry: { version: 1, scopes: [...scopes] } });
    const known = new Set((await first.regions()).map(({ entry }) => entry.region));
    for (const region of regions) {
      if (!known.has(region.region))
        await approve(majority, { kind: 'region', entry: await regionEntry(layout, region.region) });
    }
  } finally {
    for (const connection of administrators) connection.close();
  }
  await Promise.all(
    regions.map(async (region) => {
      const connection = await administrator(layout, region.region, commission(region).mspId);
      try {
        await once(new RegionalChain(connection, region.region).found(region.region, genesis), 'FOUNDED');
      } finally {
        connection.close();
      }
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

async function administrator(layout: Layout, network: string, mspId: string): Promise<Connection> {
  const { certificate, privateKey } = await layout.credential(mspId, 'admin');
  return connect({ ...(await layout.client(network, mspId)), identity: { mspId, certificate }, privateKey });
}

async function approve(authorities: readonly MainChain[], change: Change): Promise<void> {
  for (const authority of authorities) await authority.approve(change);
}

async function regionEntry(layout: Layout, name: string): Promise<RegionEntry> {
  const region = layout.region(name);
  const { own } = await layout.relayIdentities(region);
  return {
    federation: layout.description.federation,
    region: name,
    name: region.name,
    version: 1,
    trusts: [await layout.trust(name)],
    relays: [{ url: layout.url(`${name}/relay`), certificate: own.certificate }],
    holders: [...layout.holders(region)],
    frozen: false,
  };
}

/** Lets a refusal with this code pass: somebody did it before. */
async function once(call: Promise<unknown>, code: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LedgerError && error.contractCode === code)) throw error;
  }
}

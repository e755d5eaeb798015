import { randomBytes } from 'node:crypto';
import type { Connection } from '@yilian/ledger';
import { type EmbeddedNode, openEmbedded } from '@yilian/ledger/embedded';
import { MainChain } from '@yilian/main-chain';
import type { Genesis, RegionEntry } from '@yilian/protocol';
import { type RunningProxy, startProxy } from '@yilian/proxy';
import type { RelayConfig } from '@yilian/relay';
import { Files } from '@yilian/testbed/files';
import { chaincodesOf, MAIN, Network } from '@yilian/testbed/network';
import { until } from '@yilian/testbed/patience';
import type { Evidence } from './checker.ts';
import { LedgerReader } from './history.ts';
import { proxyConfig, Region } from './region.ts';

export const SCOPE = 'laboratory';
const FEDERATION = 'campaign';
const AUTHORITIES = ['Authority1', 'Authority2', 'Authority3', 'Authority4'] as const;
const MAJORITY = 3;
const SETTLE_MS = 30_000;

/** Short locks and frequent scans, so that a dead process is missed at once; `{}` for those of a real federation. */
export const BRISK: NonNullable<RelayConfig['limits']> = {
  scanMs: 250,
  lockMs: 600,
  checkpointMs: 300,
  longPollMs: 2000,
};

export interface WorldOptions {
  readonly limits?: RelayConfig['limits'];
  /** Of the programs, in their log files. */
  readonly logLevel?: string;
}

/**
 * A federation of two regions made of the real programs. `home` has records: its chain, its relay and one of its three
 * proxies are processes. `away` asks: its chain and its relay are processes. Each region has a second relay that is not
 * started. The main chain, its attesters and the other proxies run in this process and are never killed.
 */
export class World implements AsyncDisposable {
  readonly files: Files;
  readonly main: Network;
  readonly home: Region;
  readonly away: Region;
  readonly #node: EmbeddedNode;
  readonly #reader = new LedgerReader();
  readonly #resources: AsyncDisposableStack;
  readonly #connections = new Map<string, Connection>();
  /** What the campaign promised itself to find on the ledgers. */
  readonly accepted: string[] = [];
  readonly signed = new Set<string>();
  readonly receipts: string[] = [];

  private constructor(
    parts: { files: Files; main: Network; home: Region; away: Region; node: EmbeddedNode },
    resources: AsyncDisposableStack,
  ) {
    this.files = parts.files;
    this.main = parts.main;
    this.home = parts.home;
    this.away = parts.away;
    this.#node = parts.node;
    this.#resources = resources;
  }

  static async open({ limits = BRISK, logLevel = 'silent' }: WorldOptions = {}): Promise<World> {
    await using opened = new AsyncDisposableStack();
    const files = opened.use(await Files.open(FEDERATION, logLevel));
    const main = new Network(MAIN, AUTHORITIES, MAJORITY);
    const node = opened.use(
      await openEmbedded({ ...main.config, chaincodes: [chaincodesOf(main.config)] }, { folder: ':memory:' }),
    );
    const { address } = await node.serve();
    const attesters = await Promise.all(
      AUTHORITIES.map(async (mspId) => {
        const config = await proxyConfig(files, main, mspId, address, files.path(`main-${mspId}`));
        const connection = opened.use(main.connect(node.client(), main.member(mspId, 'proxy')));
        return { mspId, proxy: opened.use(await startProxy({ ...config, logLevel: 'silent' }, { connection })) };
      }),
    );
    const shared = {
      federation: FEDERATION,
      requireDurableRedis: true,
      host: '127.0.0.1',
      port: 0,
      genesisFile: await files.json('genesis', { federation: FEDERATION, main: main.trust }),
      attesters: attesters.map(({ mspId, proxy }) => ({ mspId, url: proxy.url })),
      holders: [],
      limits: { requestsPerMinute: 1_000_000, ...limits },
      logLevel,
    };
    const regionOf = async (name: string, authority: string, inProcesses: readonly string[]) => {
      const identity = await files.identity(main.member(authority, 'relay'));
      const relayConfig = { ...shared, main: { address, channel: MAIN, ...identity } };
      const region = await Region.create(name, files, { inProcesses, relayConfig });
      opened.defer(() => region.stop());
      return region;
    };
    const home = await regionOf('home', AUTHORITIES[0], ['Hospital2HOME']);
    const away = await regionOf('away', AUTHORITIES[1], []);
    const world = new World({ files, main, home, away, node }, opened.move());
    try {
      await world.#start();
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  get genesis(): Genesis {
    return { federation: FEDERATION, main: this.main.trust };
  }

  get regions(): readonly Region[] {
    return [this.home, this.away];
  }

  /** The main chain as an authority's client sees it. */
  asAuthority(role = 'relay', mspId: string = AUTHORITIES[3]): MainChain {
    return new MainChain(this.#mainConnection(mspId, role), MAIN);
  }

  /** Has a majority of the authorities register a region's entry. */
  async register(entry: RegionEntry): Promise<void> {
    for (const mspId of AUTHORITIES.slice(0, MAJORITY))
      await this.asAuthority('admin', mspId).approve({ kind: 'region', entry });
  }

  /** Everything the checker judges, read now. */
  async evidence(): Promise<Evidence> {
    const { home, away, accepted, signed, receipts } = this;
    return {
      home: { region: home.name, history: await home.history() },
      away: { region: away.name, history: await away.history() },
      main: await this.#reader.read(this.#mainConnection(AUTHORITIES[0], 'admin'), MAIN),
      accepted,
      signed,
      receipts,
      proxies: await home.holdings(),
    };
  }

  /** Ends the programs and has both regional chains judged again from their files. @throws CHAIN_BROKEN, STORE_CORRUPT */
  async audit(): Promise<void> {
    for (const { chain, network } of this.regions) {
      await chain.stop();
      await using node = await openEmbedded(
        { ...network.config, chaincodes: [chaincodesOf(network.config)] },
        { folder: this.files.path(`${network.name}-chain`) },
      );
      await node.verifyChain();
    }
  }

  /** Ends everything and leaves the folder, which it returns. */
  async keep(): Promise<string> {
    this.files.kept = true;
    await this[Symbol.asyncDispose]();
    return this.files.folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  async #start(): Promise<void> {
    const { home, away } = this;
    await Promise.all(this.regions.flatMap(({ chain, redis }) => [chain.start(), redis.start()]));
    await this.asAuthority('admin', AUTHORITIES[0]).found(this.genesis);
    const scopes = [{ scope: SCOPE, title: 'Laboratory', titleZh: '检验' }];
    for (const mspId of AUTHORITIES.slice(0, MAJORITY))
      await this.asAuthority('admin', mspId).approve({ kind: 'scopes', entry: { version: 1, scopes } });
    await Promise.all(this.regions.map((region) => this.register(region.entry(FEDERATION, 1))));
    await Promise.all(
      this.regions.map((region) => region.as(region.commission, 'admin').found(region.name, this.genesis)),
    );
    const hosts = this.regions.flatMap((region) => region.inHouse.map((mspId) => [region, mspId] as const));
    const here = await Promise.all(
      hosts.map(async ([region, mspId]): Promise<RunningProxy> => {
        const config = { ...(await region.proxyConfig(mspId)), logLevel: 'silent' };
        const proxy = await startProxy(config, { connection: region.connection(mspId, 'proxy') });
        return this.#resources.use(proxy);
      }),
    );
    await Promise.all([home.relay, away.relay, ...home.proxies].map((program) => program.start()));
    await Promise.all(here.map(({ ready }) => ready));
    await until('every region is mirrored and every proxy registered', SETTLE_MS, async () => {
      for (const region of this.regions) {
        const chain = region.as(region.commission, 'admin');
        for (const { name } of this.regions) await chain.mirrorOf(name);
        const { version } = await chain.scopes();
        if (version === 0 || (await chain.proxies()).length < region.network.mspIds.length) return false;
      }
      return true;
    });
  }

  #mainConnection(mspId: string, role: string): Connection {
    const key = `${mspId}/${role}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const connection = this.main.connect(this.#node.client(), this.main.member(mspId, role));
    this.#connections.set(key, this.#resources.use(connection));
    return connection;
  }
}

export const fresh = (bytes = 32): string => randomBytes(bytes).toString('base64url');

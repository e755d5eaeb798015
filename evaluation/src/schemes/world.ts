import { FederationView, RelayClient } from '@yilian/client';
import type { MainChain } from '@yilian/main-chain';
import { digest, type Genesis, type RegionEntry, utf8Bytes } from '@yilian/protocol';
import { type RunningProxy, startProxy } from '@yilian/proxy';
import { buildRelay, type Relay, type RelayConfig } from '@yilian/relay';
import { Files } from '@yilian/testbed/files';
import { MAIN, type Member } from '@yilian/testbed/network';
import { until } from '@yilian/testbed/patience';
import { RedisServer } from '@yilian/testbed/redis-server';
import { openBlockVault, openRemoteVault, type StoredVault, serveGateway, type Vault } from '@yilian/vault';
import { pino } from 'pino';
import type { Network as Between } from '../network/index.ts';
import { Chain, SETTLE_MS } from './chain.ts';
import type { Engine } from './engine.ts';
import { AUTHORITIES, authorityAt, MAJORITY, mainNodePlan, nodePlanOf, QUORUM } from './node-plans.ts';
import { type ChainPlan, holdersOf, type Levers, operatorOf, type RelayPlan, type Topology } from './topology.ts';
import { Ways } from './ways.ts';

export const FEDERATION = 'evaluation';
export const SCOPE = 'laboratory';
/** In memory where the machine has such a folder: what is measured is not the disk. */
export const FOLDER = '/dev/shm';
/** Of the proxies that hold a grant's fragments. */
export const THRESHOLD = 2;
const NEVER_MS = 3_600_000;
/** Bounds are there for attackers, and every request here is one organisation's. */
const LIMITS: NonNullable<RelayConfig['limits']> = {
  decisionsPerOrganisation: 10_000,
  submissionsPerOrganisation: 10_000,
  requestsPerMinute: 10_000_000,
  watchers: 10_000,
  connections: 10_000,
};
const PROXY_LIMITS = { connections: 10_000, patientRequestsPerMinute: 10_000_000, relayRequestsPerMinute: 10_000_000 };

/** The sealed bodies of a place's hospital. */
export interface Holder {
  readonly vault: StoredVault;
  readonly url: string;
}

interface RunningRelay {
  readonly plan: RelayPlan;
  readonly member: Member;
  readonly relay: Relay;
  readonly url: string;
}

export interface WorldOptions {
  readonly topology: Topology;
  readonly engine: Engine;
  /** The longest that an orderer waits for more transactions, milliseconds. */
  readonly cutMs: number;
  /** Between the topology's places. */
  readonly network: Between;
  readonly levers: Levers;
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined;
}

/** All parts of one scheme, each at its place: chains, relays with their Redis, proxies, vaults. */
export class World implements AsyncDisposable {
  readonly topology: Topology;
  readonly genesis: Genesis;
  readonly ways: Ways;
  readonly main: Chain;
  readonly #chains: ReadonlyMap<string, Chain>;
  readonly #holders: ReadonlyMap<string, Holder>;
  readonly #files: Files;
  readonly #levers: Levers;
  readonly #resources: AsyncDisposableStack;
  readonly #relays = new Map<RelayPlan, RunningRelay>();
  readonly #bodies = new Map<string, Vault>();
  #view: Promise<FederationView> | undefined;

  private constructor(
    { topology, levers, network }: WorldOptions,
    parts: { main: Chain; chains: ReadonlyMap<string, Chain>; holders: ReadonlyMap<string, Holder>; files: Files },
    resources: AsyncDisposableStack,
  ) {
    this.topology = topology;
    this.#levers = levers;
    this.main = parts.main;
    this.genesis = { federation: FEDERATION, main: parts.main.network.trust };
    this.#chains = parts.chains;
    this.#holders = parts.holders;
    this.#files = parts.files;
    this.ways = new Ways(network, levers.coldConnections === true);
    for (const [place, { url }] of parts.holders) this.ways.put(url, place);
    this.#resources = resources;
  }

  static async open(options: WorldOptions): Promise<World> {
    const {
      topology,
      engine,
      cutMs,
      signal,
      network: { clock },
    } = options;
    await using opened = new AsyncDisposableStack();
    const files = opened.use(await Files.open(FEDERATION, 'silent', FOLDER));
    const plans = [
      { ...mainNodePlan(topology, cutMs), quorum: MAJORITY, profileAt: topology.mainProfileAt },
      ...topology.chains.map((plan) => ({
        ...nodePlanOf(plan, topology, cutMs),
        quorum: QUORUM,
        profileAt: plan.profileAt,
      })),
    ];
    const nodes = await engine.open(plans, { folder: files.path('chains'), signal });
    const [main, ...others] = nodes.map((node, index) => {
      const { network, quorum, profileAt } = plans[index] as (typeof plans)[number];
      return opened.use(new Chain({ network, node, quorum, profileAt, clock }));
    }) as [Chain, ...Chain[]];
    const chains = new Map(others.map((chain) => [chain.network.name, chain]));
    const holders = new Map<string, Holder>();
    for (const place of topology.places) {
      const vault = opened.use(await openBlockVault({ folder: files.path(`${place}-vault`) }));
      const gateway = await serveGateway(vault, { host: '127.0.0.1', port: 0 });
      opened.defer(() => gateway.close());
      holders.set(place, { vault, url: gateway.url });
    }
    const world = new World(options, { main, chains, holders, files }, opened.move());
    try {
      await world.#start();
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  chain(name: string): Chain {
    const chain = this.#chains.get(name);
    if (chain === undefined) throw new TypeError(`no chain ${name}`);
    return chain;
  }

  holder(place: string): Holder {
    const holder = this.#holders.get(place);
    if (holder === undefined) throw new TypeError(`no holder at ${place}`);
    return holder;
  }

  /** A relay as somebody at a place calls it; without a place, from next to it. */
  relay(plan: RelayPlan, from?: string): RelayClient {
    const { url } = this.#running(plan);
    return new RelayClient(url, from === undefined ? {} : { fetch: this.ways.fetchAt(from) });
  }

  asAuthority(role = 'relay', mspId: string = AUTHORITIES[0]): MainChain {
    return this.main.asMain(mspId, role);
  }

  /** The regions as the main chain registers them, proven from the genesis. */
  view(): Promise<FederationView> {
    this.#view ??= FederationView.load(this.relay(this.topology.relays[0] as RelayPlan), this.genesis);
    return this.#view;
  }

  /** A chain's sealed bodies as they are read from a place. */
  async bodies(place: string, chain: string): Promise<Vault> {
    const key = `${place}/${chain}`;
    const holders = [...(await this.view()).region(chain).holders];
    const known = this.#bodies.get(key) ?? openRemoteVault({ holders, fetch: this.ways.fetchAt(place) });
    if (!this.#bodies.has(key)) this.#bodies.set(key, this.#resources.use(known));
    return known;
  }

  /** Processor time so far of what runs beside this process, Redis left out; milliseconds. */
  cpuMs(): number {
    return [this.main, ...this.#chains.values()].reduce((total, chain) => total + chain.cpuMs(), 0);
  }

  /** Of all chains, one copy each. */
  async chainBytes(): Promise<number> {
    const sizes = await Promise.all([this.main, ...this.#chains.values()].map((chain) => chain.bytes()));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  #running(plan: RelayPlan): RunningRelay {
    const running = this.#relays.get(plan);
    if (running === undefined) throw new TypeError(`no relay of ${plan.chain} at ${plan.place}`);
    return running;
  }

  async #start(): Promise<void> {
    const { topology } = this;
    const [redis, attesters] = await Promise.all([this.#startRedis(), this.#startAttesters(), this.#found()]);
    const genesisFile = await this.#files.json('genesis', this.genesis);
    for (const [index, plan] of topology.relays.entries()) {
      const url = redis.get(plan.place) ?? '';
      const authority = authorityAt(topology.places, plan.place);
      this.#relays.set(plan, await this.#buildRelay(plan, index, { redisUrl: url, authority, attesters, genesisFile }));
    }
    await Promise.all(
      [...this.#chains].map(async ([name, chain]) => {
        const [first = ''] = chain.network.mspIds;
        await chain.everywhere(await chain.as(first, 'admin').found(name, this.genesis));
      }),
    );
    const scopes = [{ scope: SCOPE, title: 'Laboratory', titleZh: '检验' }];
    const changes = [
      await this.#approve({ kind: 'scopes', entry: { version: 1, scopes } }),
      ...(await Promise.all(
        topology.chains.map((plan) => this.#approve({ kind: 'region', entry: this.#entry(plan) })),
      )),
    ];
    const proofs = await Promise.all(changes.map((transactionId) => this.main.prove(transactionId)));
    await Promise.all(
      [...this.#chains.values()].map(async (chain) => {
        const mirror = chain.as(chain.network.mspIds[0] ?? '', 'relay');
        for (const proof of proofs) await chain.everywhere(await mirror.mirrorChange(proof));
      }),
    );
    const proxies = await Promise.all(topology.chains.flatMap((plan) => this.#startProxies(plan)));
    await Promise.all(proxies.flat().map(({ ready }) => ready));
    // A relay that found a proxy missing would go without it for some seconds.
    await Promise.all([...this.#relays.values()].map(({ relay }) => relay.start()));
    await until('every relay is ready', SETTLE_MS, async () => {
      const replies = await Promise.all([...this.#relays.values()].map(({ url }) => fetch(`${url}/ready`)));
      return replies.every(({ ok }) => ok);
    });
  }

  async #found(): Promise<void> {
    await this.main.everywhere(await this.asAuthority('admin').found(this.genesis));
  }

  async #approve(change: Parameters<MainChain['approve']>[0]): Promise<string> {
    let transactionId = '';
    for (const mspId of AUTHORITIES.slice(0, MAJORITY)) {
      ({ transactionId } = await this.asAuthority('admin', mspId).approve(change));
      await this.main.everywhere({ transactionId });
    }
    return transactionId;
  }

  #entry(plan: ChainPlan): RegionEntry {
    const gateways = new Map([...this.#holders].map(([place, { url }]) => [place, url]));
    const relays = [...this.#relays.values()].filter((running) => running.plan.chain === plan.name);
    return {
      federation: FEDERATION,
      region: plan.name,
      name: plan.name,
      version: 1,
      trusts: [this.chain(plan.name).network.trust],
      relays: relays.map(({ url, member: { certificate } }) => ({ url, certificate })),
      holders: holdersOf(plan, gateways),
      frozen: false,
    };
  }

  async #startRedis(): Promise<ReadonlyMap<string, string>> {
    const places = [...new Set(this.topology.relays.map(({ place }) => place))];
    const servers = places.map((place) => [place, new RedisServer(this.#files.path(`${place}-redis`))] as const);
    for (const [, server] of servers) this.#resources.use(server);
    await Promise.all(servers.map(([, server]) => server.start()));
    return new Map(servers.map(([place, { url }]) => [place, url]));
  }

  async #startAttesters(): Promise<RelayConfig['attesters']> {
    return Promise.all(
      AUTHORITIES.map(async (mspId, index) => {
        const place = this.topology.places[index % this.topology.places.length] ?? '';
        const { url } = await this.#startProxy(this.main, mspId, place);
        return { mspId, url };
      }),
    );
  }

  async #startProxies({ name, members, proxies }: ChainPlan): Promise<RunningProxy[]> {
    const chain = this.chain(name);
    return Promise.all(proxies.map((mspId) => this.#startProxy(chain, mspId, members.get(mspId) ?? '')));
  }

  async #startProxy(chain: Chain, mspId: string, place: string): Promise<RunningProxy> {
    const { network } = chain;
    const member = network.member(mspId, 'proxy');
    const config = {
      federation: FEDERATION,
      network: network.name,
      channel: network.name,
      ...(await this.#files.identity(member)),
      ledger: { address: '127.0.0.1:1' },
      folder: this.#files.path(`${network.name}-proxy-${mspId}`),
      host: '127.0.0.1',
      port: 0,
      limits: PROXY_LIMITS,
      logLevel: 'silent',
    };
    const proxy = this.#resources.use(await startProxy(config, { connection: chain.connect(member, place) }));
    this.ways.put(proxy.url, place);
    return proxy;
  }

  async #buildRelay(
    plan: RelayPlan,
    index: number,
    given: Pick<RelayConfig, 'redisUrl' | 'attesters' | 'genesisFile'> & { readonly authority: string },
  ): Promise<RunningRelay> {
    const { authority, ...shared } = given;
    const { sequential, fetchedBodies } = this.#levers;
    const chain = this.chain(plan.chain);
    const chainPlan = this.topology.chains.find(({ name }) => name === plan.chain) as ChainPlan;
    const operator = operatorOf(plan, chainPlan);
    const member = chain.network.member(operator, 'relay', `relay-${index}`);
    const gateways = new Map([...this.#holders].map(([place, { url }]) => [place, url]));
    const config: RelayConfig = {
      ...shared,
      federation: FEDERATION,
      region: plan.chain,
      requireDurableRedis: true,
      host: '127.0.0.1',
      port: 0,
      identity: await this.#files.identity(member),
      regional: { address: '127.0.0.1:1', channel: plan.chain },
      main: {
        address: '127.0.0.1:1',
        channel: MAIN,
        ...(await this.#files.identity(this.main.network.member(authority, 'relay'))),
      },
      holders: fetchedBodies === true ? [] : holdersOf(chainPlan, gateways),
      // One relay of a regional chain anchors it in the main chain; a chain of the whole nation has none to be anchored in.
      limits: plan.place === plan.chain ? LIMITS : { ...LIMITS, checkpointMs: NEVER_MS },
      logLevel: 'silent',
    };
    const relay = this.#resources.use(
      await buildRelay(config, {
        regionalClient: chain.clientAt(plan.place, operator, { ackAfterCommit: sequential === true }),
        mainClient: this.main.clientAt(plan.place, authority),
        fetch: this.#fetchOf(plan, authority),
        log: pino({ level: process.env['RELAY_LOG'] ?? 'silent' }, pino.destination(2)),
      }),
    );
    const url = await relay.app.listen({ host: config.host, port: config.port });
    this.ways.put(url, plan.place);
    return { plan, member, relay, url };
  }

  /** How a relay reaches others; where every question needs a receipt, only after the main chain has it. */
  #fetchOf({ place }: RelayPlan, authority: string): typeof globalThis.fetch {
    const fetch = this.ways.fetchAt(place);
    if (this.#levers.receiptOnMain !== true) return fetch;
    return async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const message = typeof init?.body === 'string' ? init.body : '';
      if (pathname === '/v1/relay')
        await this.main.submit(authority, 'relay', 'Receipts:note', [digest(utf8Bytes(message))], place);
      return fetch(input, init);
    };
  }
}

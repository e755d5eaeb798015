import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isFree, writeWhole } from '@yilian/service';
import { backupSteps, type Host, takeBackup } from './backup/taking.ts';
import { versionsOf } from './backup/versions.ts';
import { warmUp } from './compile-cache.ts';
import { type ContractVersion, type ContractVersions, upgraded, writeContractVersions } from './contract-versions.ts';
import { Control, type Order } from './control.ts';
import { type Description, readDescription } from './description.ts';
import { DeployError } from './errors.ts';
import { FabricChains } from './fabric.ts';
import { requireNetwork } from './fabric-networks.ts';
import { FederationWatch, found, PATIENCE_MS } from './founding.ts';
import { forgetBefore, grow, rememberBefore, requireAlone, requireGrowth } from './growth.ts';
import { Layout } from './layout.ts';
import { complain, Processes } from './processes.ts';
import { programs, type Stages } from './programs.ts';
import { findRedis, type RedisHost, type RedisSource } from './redis.ts';
import { requireServing } from './redis-urls.ts';
import { renewServices } from './renewal.ts';
import { birthOf, forgetRunning, type Running, writeRunning } from './running.ts';
import type { Sources } from './sources.ts';

const READY_MS = 60_000;
const POLL_MS = 100;
/** What everything else needs is ended last. */
const BELOW = /\/(chain|redis|(kubo|orderer|peer|contracts)\/.+)$/;

export interface SupervisorOptions {
  readonly host?: RedisHost;
  /** How long other hosts may take to do their part of the founding. */
  readonly patienceMs?: number | undefined;
}

/** Starts every program of a federation that is this machine's, starts again what dies, and ends all of them when it is told to. */
export class Supervisor {
  #layout: Layout;
  readonly #sources: Sources;
  readonly #onStep: (step: string) => void;
  readonly #host: RedisHost | undefined;
  readonly #patienceMs: number | undefined;
  readonly #processes = new Processes(() => this.#note());
  readonly #stopping = new AbortController();
  #control: Control | undefined;
  /** Hears the steps of an order. */
  #listener: ((step: string) => void) | undefined;
  #running: Omit<Running, 'processes'>;
  #stopped: Promise<void> | undefined;
  /** An installation of Redis that has begun is not left halfway. */
  #finding: Promise<RedisSource> | undefined;

  constructor(
    layout: Layout,
    sources: Sources,
    onStep: (step: string) => void,
    { host, patienceMs }: SupervisorOptions = {},
  ) {
    this.#layout = layout;
    this.#sources = sources;
    this.#onStep = onStep;
    this.#host = host;
    this.#patienceMs = patienceMs;
    const { pid } = process;
    this.#running = { pid, birth: birthOf(pid) ?? '', state: 'starting', step: 'starting', engines: {} };
    this.#note();
  }

  /**
   * Resolves when the federation is ready.
   * @throws DeployError REDIS_MISSING REDIS_UNFIT REDIS_UNSAFE REDIS_UNREACHABLE PORT_TAKEN STATE_DAMAGED
   * PROCESS_FAILED NOT_READY
   */
  async start(): Promise<void> {
    const redis = await this.#redis(this.#layout.regions.length);
    await this.#requireFreePorts(redis);
    await this.#advance(redis);
    this.#control = await Control.open((order, say) => this.#carryOut(order, say));
    this.#running = { ...this.#running, state: 'ready', control: this.#control.path };
    this.#step('ready');
  }

  /** Brings everything to what the layout describes, whatever of it runs already. */
  async #advance(redis: RedisSource): Promise<void> {
    const { signal } = this.#stopping;
    const { before } = this.#layout;
    this.#step('preparing keys and configurations');
    const [{ fabric, stages }] = await Promise.all([this.#prepare(redis), warmUp(signal)]);
    const { first, whileFounding, founded } = stages;
    this.#step(
      this.#sources.kubo === undefined
        ? 'starting the chains and queues'
        : 'starting the chains, queues and Kubo nodes',
    );
    await this.#processes.start(first);
    if (fabric !== undefined) {
      this.#step('joining peers and orderers, committing the contracts');
      await fabric.found(signal, this.#patienceMs);
      if (before !== undefined) await grow(this.#layout, before, fabric, (step) => this.#step(step), signal);
    }
    this.#step('founding the federation, starting views of it and vaults');
    const founding = { signal, patienceMs: this.#patienceMs };
    await Promise.all([found(this.#layout, founding), this.#processes.start(whileFounding)]);
    this.#step('starting attesters, relays and proxies');
    for (const stage of founded) await this.#processes.start(stage);
    this.#step('waiting until every relay and proxy is ready');
    await this.#settle();
    if (before === undefined) return;
    // Now without what has left.
    this.#layout = await Layout.open(this.#layout.state, this.#layout.description);
    await this.#endAllBut((await this.#prepare(redis)).stages);
    forgetBefore(this.#layout.state);
  }

  async #endAllBut({ first, whileFounding, founded }: Stages): Promise<void> {
    const wanted = new Set([first, whileFounding, ...founded].flat().map(({ name }) => name));
    for (const { name } of this.#processes.list) if (!wanted.has(name)) await this.#processes.end(name);
  }

  async #prepare(redis: RedisSource): Promise<{ readonly fabric: FabricChains | undefined; readonly stages: Stages }> {
    const { kubo, fabric: binaries } = this.#sources;
    const fabric = binaries && (await FabricChains.prepare(this.#layout, binaries));
    return { fabric, stages: await programs(this.#layout, redis, kubo, fabric, (line) => this.#step(line)) };
  }

  /** Returns what the command is told in the end. */
  async #carryOut(order: Order, listener: (step: string) => void): Promise<unknown> {
    this.#listener = listener;
    this.#running = { ...this.#running, state: 'changing' };
    try {
      switch (order.kind) {
        case 'change':
          await this.#change(await readDescription(order.description));
          return undefined;
        case 'upgrade':
          await this.#upgrade(order.network, { version: order.version, module: order.module });
          return undefined;
        case 'renew':
          return await this.#renew(order.withinDays);
        case 'backup':
          return order.dryRun === true
            ? backupSteps(this.#backupHost())
            : await takeBackup(this.#backupHost(), order.folder);
        default:
          throw new DeployError('USAGE', 'no such order');
      }
    } finally {
      // Who gave the order is told its end, which may be a failure.
      this.#listener = undefined;
      this.#running = { ...this.#running, state: 'ready' };
      this.#step('ready');
    }
  }

  /** Becomes what is described; a change that was interrupted goes on. */
  async #change(description: Description): Promise<void> {
    requireAlone(this.#layout);
    const { state, before = this.#layout.description } = this.#layout;
    requireGrowth(this.#layout.description, description);
    if (this.#sources.fabric === undefined)
      throw new DeployError('CHANGE_UNSUPPORTED', 'only a federation on --engine fabric can change while it runs');
    const redis = await this.#redis(description.regions.length);
    rememberBefore(state, before, description);
    this.#layout = await Layout.open(state, description, before);
    await this.#advance(redis);
  }

  /** Serves another version of a network's contracts beside the one before until it is in force. */
  async #upgrade(network: string, next: ContractVersion): Promise<void> {
    const { description, contractVersions } = this.#layout;
    requireAlone(this.#layout);
    requireNetwork(description, network);
    const versions = upgraded(contractVersions, network, next);
    if (this.#sources.fabric === undefined)
      throw new DeployError('CHANGE_UNSUPPORTED', 'the embedded engine runs one version only');
    const redis = await this.#redis(description.regions.length);
    const before = this.#processes.list.map(({ name }) => name);
    await this.#serve(versions);
    const { fabric, stages } = await this.#prepare(redis);
    this.#step(`serving ${next.version} of the contracts of ${network} too`);
    try {
      await this.#processes.start(stages.first);
    } catch (error) {
      await this.#serve(contractVersions);
      for (const { name } of this.#processes.list) if (!before.includes(name)) await this.#processes.end(name);
      throw error;
    }
    const { signal } = this.#stopping;
    for (const step of (await fabric?.upgrade(network, { signal }))?.steps ?? []) this.#step(step);
    await this.#serve({ ...versions, [network]: next });
    const after = await this.#prepare(redis);
    await this.#endAllBut(after.stages);
    await after.fabric?.found(signal);
  }

  async #serve(versions: ContractVersions): Promise<void> {
    const { state, description } = this.#layout;
    writeContractVersions(state, versions);
    this.#layout = await Layout.open(state, description);
  }

  async #renew(withinDays: number): Promise<readonly string[]> {
    requireAlone(this.#layout);
    const { fabric: binaries } = this.#sources;
    const { signal } = this.#stopping;
    const say = (step: string): void => this.#step(step);
    const fabric = binaries && (await FabricChains.prepare(this.#layout, binaries, { evenExpired: true }));
    const restart = (name: string) => this.#processes.restart(name);
    const nodes = (await fabric?.renew({ withinDays, restart, signal }, say)) ?? [];
    const exchange = async () => this.#exchange(await this.#redis(this.#layout.description.regions.length));
    return [...nodes, ...(await renewServices({ layout: this.#layout, withinDays, exchange, say, signal }))];
  }

  /** Starts anew what runs with other certificates than there are by now, the next when everything serves again. */
  async #exchange(redis: RedisSource): Promise<void> {
    const { first, whileFounding, founded } = (await this.#prepare(redis)).stages;
    // Views before what they follow: they have to know its orderer's new certificate.
    for (const program of [...whileFounding, ...first, ...founded.flat()]) {
      if (this.#processes.isCurrent(program)) continue;
      await this.#processes.start([program]);
      await this.#allReady(READY_MS);
    }
  }

  #backupHost(): Host {
    if (this.#layout.host !== undefined)
      throw new DeployError(
        'BACKUP_UNUSABLE',
        'a federation that is spread over hosts is backed up by each of its own',
      );
    if (this.#layout.before !== undefined)
      throw new DeployError('STATE_BUSY', 'a change of this federation has not ended: give it again first');
    return {
      layout: this.#layout,
      versions: versionsOf(this.#sources),
      runs: (name) => this.#processes.list.some((each) => each.name === name),
      without: (names, work) => this.#processes.without(names, work),
      ready: () => this.#allReady(READY_MS),
      say: (step) => this.#step(step),
      signal: this.#stopping.signal,
    };
  }

  /** Ends relays, proxies and vaults before the chains, queues and Kubo nodes they use. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new DeployError('INTERRUPTED', 'the federation is being ended'));
    await this.#finding?.catch(() => undefined);
    this.#control?.close();
    await this.#processes.stop((name) => BELOW.test(name));
    forgetRunning(this.#layout.state);
  }

  async #redis(regions: number): Promise<RedisSource> {
    this.#finding = findRedis(regions, (step) => this.#step(step), this.#host);
    const redis = await this.#finding;
    const durable = this.#layout.engines.engine === 'fabric';
    const versions =
      redis.kind === 'server'
        ? [redis.version]
        : await requireServing(redis.urls, (step) => this.#step(step), { durable });
    this.#running = { ...this.#running, engines: engines(redis, versions, this.#sources, this.#layout) };
    return redis;
  }

  /** A host that once was ready comes back also while others are away: its own region has to go on. */
  async #settle(): Promise<void> {
    const { host } = this.#layout;
    const mark = this.#layout.path('settled');
    const isBack = host !== undefined && existsSync(mark);
    try {
      await this.#allReady(host === undefined || isBack ? READY_MS : (this.#patienceMs ?? PATIENCE_MS));
    } catch (error) {
      if (!(isBack && error instanceof DeployError && error.code === 'NOT_READY')) throw error;
      complain(error);
    }
    if (host !== undefined) writeWhole(mark, '');
  }

  async #allReady(withinMs: number): Promise<void> {
    const { signal } = this.#stopping;
    const deadline = Date.now() + withinMs;
    const wait = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
      while (!(await holds())) {
        if (Date.now() > deadline)
          throw new DeployError('NOT_READY', `${what} did not become ready; see ${this.#layout.path('logs')}`);
        await delay(POLL_MS, undefined, { signal });
      }
    };
    using watch = await FederationWatch.open(this.#layout);
    await Promise.all(
      this.#layout.services.map(({ name }) => wait(name, () => isReady(`${this.#layout.url(name)}/ready`))),
    );
    await wait('the mirrors of the main chain', () => watch.settled());
  }

  async #requireFreePorts(redis: RedisSource): Promise<void> {
    for (const name of this.#layout.listeners) {
      if (redis.kind === 'url' && name.endsWith('/redis')) continue;
      const { port, host, listen = host } = this.#layout.endpoint(name);
      if (!(await isFree(port, listen)))
        throw new DeployError('PORT_TAKEN', `port ${port} of ${name} is used by another program`);
    }
  }

  #step(step: string): void {
    this.#stopping.signal.throwIfAborted();
    this.#running = { ...this.#running, step };
    this.#note();
    this.#onStep(step);
    this.#listener?.(step);
  }

  /** Tells other terminals. A full disk must not end what runs. */
  #note(): void {
    if (this.#stopping.signal.aborted) return;
    try {
      writeRunning(this.#layout.state, { ...this.#running, processes: this.#processes.list });
    } catch (error) {
      complain(error);
    }
  }
}

function engines(
  redis: RedisSource,
  versions: readonly string[],
  { kubo, fabric }: Sources,
  { host }: Layout,
): Running['engines'] {
  const of = redis.kind === 'url' ? 'by REDIS_URLS' : redis.program;
  return {
    chains: `${
      fabric === undefined
        ? `embedded Fabric node ${versionOf('@yilian/ledger')} on SQLite ${process.versions['sqlite']}`
        : `Hyperledger Fabric ${fabric.version} (${fabric.peer})`
    }${host === undefined ? ' (all keys on this machine: no independence)' : ''}`,
    vault:
      kubo === undefined
        ? `embedded block store ${versionOf('@yilian/vault')}`
        : `Kubo ${kubo.version} (${kubo.program}), a node for each holder in a private swarm`,
    redis: `${[...new Set(versions)].join(', ')} (${of})`,
    node: process.version,
  };
}

/** Of one of our packages. */
function versionOf(name: string): string {
  const file = new URL('../package.json', import.meta.resolve(name));
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

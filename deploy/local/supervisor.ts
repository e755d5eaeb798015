import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isFree } from '@yilian/service';
import { Child, type Program } from './child.ts';
import { warmUp } from './compile-cache.ts';
import { DeployError, told } from './errors.ts';
import { FabricChains } from './fabric.ts';
import { FederationWatch, found } from './founding.ts';
import type { Layout } from './layout.ts';
import { programs } from './programs.ts';
import { findRedis, type RedisHost, type RedisSource } from './redis.ts';
import { requireServing } from './redis-urls.ts';
import { birthOf, forgetRunning, type ProcessState, type Running, writeRunning } from './running.ts';
import { services } from './services.ts';
import type { Sources } from './sources.ts';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** A process that served this long before it ended starts with the first pause again. */
const STEADY_MS = 60_000;
const READY_MS = 60_000;
const POLL_MS = 100;

interface Kept {
  readonly program: Program;
  child: Child;
  state: ProcessState;
  restarts: number;
  ended?: string;
}

/** Starts every program of a federation, starts again what dies, and ends all of them when it is told to. */
export class Supervisor {
  readonly #layout: Layout;
  readonly #sources: Sources;
  readonly #onStep: (step: string) => void;
  readonly #host: RedisHost | undefined;
  readonly #kept = new Map<string, Kept>();
  readonly #stopping = new AbortController();
  #running: Omit<Running, 'processes'>;
  #stopped: Promise<void> | undefined;
  /** An installation of Redis that has begun is not left halfway. */
  #finding: Promise<RedisSource> | undefined;

  constructor(layout: Layout, sources: Sources, onStep: (step: string) => void, host?: RedisHost) {
    this.#layout = layout;
    this.#sources = sources;
    this.#onStep = onStep;
    this.#host = host;
    const { pid } = process;
    this.#running = { pid, birth: birthOf(pid) ?? '', state: 'starting', step: 'starting', engines: {} };
    writeRunning(layout.state, { ...this.#running, processes: [] });
  }

  /**
   * Resolves when the federation is ready.
   * @throws DeployError REDIS_MISSING REDIS_UNFIT REDIS_UNSAFE REDIS_UNREACHABLE PORT_TAKEN STATE_DAMAGED
   * PROCESS_FAILED NOT_READY
   */
  async start(): Promise<void> {
    const { regions } = this.#layout.description;
    const { kubo, fabric: binaries } = this.#sources;
    const redis = await this.#redis(regions.length);
    await this.#requireFreePorts(redis);
    this.#step('preparing keys and configurations');
    const fabric = binaries && (await FabricChains.prepare(this.#layout, binaries));
    const [{ first, whileFounding, founded }] = await Promise.all([
      programs(this.#layout, redis, kubo, fabric, (line) => this.#step(line)),
      warmUp(this.#stopping.signal),
    ]);
    this.#step(kubo === undefined ? 'starting the chains and queues' : 'starting the chains, queues and Kubo nodes');
    await this.#startAll(first);
    if (fabric !== undefined) {
      this.#step('joining peers and orderers, committing the contracts');
      await fabric.found(this.#stopping.signal);
    }
    this.#step('founding the federation, starting views of it and vaults');
    await Promise.all([found(this.#layout), this.#startAll(whileFounding)]);
    this.#step('starting attesters, relays and proxies');
    for (const stage of founded) await this.#startAll(stage);
    this.#step('waiting until every relay and proxy is ready');
    await this.#allReady();
    this.#running = { ...this.#running, state: 'ready' };
    this.#step('ready');
  }

  /** Ends relays, proxies and vaults before the chains, queues and Kubo nodes they use. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new DeployError('INTERRUPTED', 'the federation is being ended'));
    await this.#finding?.catch(() => undefined);
    const children = [...this.#kept.values()].map(({ child }) => child);
    const below = children.filter(({ program }) =>
      /\/(chain|redis|(kubo|orderer|peer|contracts)\/.+)$/.test(program.name),
    );
    await Promise.all(children.filter((child) => !below.includes(child)).map((child) => child.stop()));
    await Promise.all(below.map((child) => child.stop()));
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
    this.#running = { ...this.#running, engines: engines(redis, versions, this.#sources) };
    return redis;
  }

  async #startAll(stage: readonly Program[]): Promise<void> {
    await Promise.all(
      stage.map(async (program) => {
        const kept = this.#spawn(program);
        await kept.child.ready();
        this.#mark(kept, 'running');
        void this.#keep(kept);
      }),
    );
  }

  #spawn(program: Program): Kept {
    this.#stopping.signal.throwIfAborted();
    const kept: Kept = { program, child: new Child(program), state: 'starting', restarts: 0 };
    this.#kept.set(program.name, kept);
    this.#note();
    return kept;
  }

  /** Starts a program again whenever it ends, each time after a longer pause. */
  async #keep(kept: Kept): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; ; ) {
      const since = performance.now();
      kept.ended = await kept.child.exited;
      if (signal.aborted) return;
      failures = performance.now() - since > STEADY_MS ? 0 : failures + 1;
      this.#mark(kept, 'waiting');
      await delay(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10)), undefined, { signal }).catch(
        () => undefined,
      );
      if (signal.aborted) return;
      kept.child = new Child(kept.program);
      kept.restarts += 1;
      this.#mark(kept, 'starting');
      await kept.child.ready().then(
        () => this.#mark(kept, 'running'),
        (error: unknown) => complain(error),
      );
    }
  }

  async #allReady(): Promise<void> {
    const { signal } = this.#stopping;
    const deadline = Date.now() + READY_MS;
    const wait = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
      while (!(await holds())) {
        if (Date.now() > deadline)
          throw new DeployError('NOT_READY', `${what} did not become ready; see ${this.#layout.path('logs')}`);
        await delay(POLL_MS, undefined, { signal });
      }
    };
    using watch = await FederationWatch.open(this.#layout);
    await Promise.all(
      services(this.#layout.description).map(({ name }) =>
        wait(name, () => isReady(`${this.#layout.url(name)}/ready`)),
      ),
    );
    await wait('the mirrors of the main chain', () => watch.settled());
  }

  async #requireFreePorts(redis: RedisSource): Promise<void> {
    for (const name of this.#layout.listeners) {
      if (redis.kind === 'url' && name.endsWith('/redis')) continue;
      const port = this.#layout.port(name);
      if (!(await isFree(port)))
        throw new DeployError('PORT_TAKEN', `port ${port} of ${name} is used by another program`);
    }
  }

  #step(step: string): void {
    this.#stopping.signal.throwIfAborted();
    this.#running = { ...this.#running, step };
    this.#note();
    this.#onStep(step);
  }

  #mark(kept: Kept, state: ProcessState): void {
    kept.state = state;
    this.#note();
  }

  /** Tells other terminals. A full disk must not end what runs. */
  #note(): void {
    if (this.#stopping.signal.aborted) return;
    const processes = [...this.#kept.values()].map(({ program, child, state, restarts, ended }) => ({
      name: program.name,
      ...child.identity,
      state,
      restarts,
      ...(ended !== undefined && { ended }),
    }));
    try {
      writeRunning(this.#layout.state, { ...this.#running, processes });
    } catch (error) {
      complain(error);
    }
  }
}

function engines(redis: RedisSource, versions: readonly string[], { kubo, fabric }: Sources): Running['engines'] {
  const of = redis.kind === 'url' ? 'by REDIS_URLS' : redis.program;
  return {
    chains: `${
      fabric === undefined
        ? `embedded Fabric node ${versionOf('@yilian/ledger')} on SQLite ${process.versions['sqlite']}`
        : `Hyperledger Fabric ${fabric.version} (${fabric.peer})`
    } (all keys on this machine: no independence)`,
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

function complain(error: unknown): void {
  process.stderr.write(`${JSON.stringify({ at: Date.now(), ...told(error) })}\n`);
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

import { setTimeout as delay } from 'node:timers/promises';
import { Child, type Program } from './child.ts';
import { proxyHosts } from './description.ts';
import { DeployError, told } from './errors.ts';
import { FederationWatch, found } from './founding.ts';
import type { Layout } from './layout.ts';
import { isFree } from './ports.ts';
import { programs } from './programs.ts';
import { findRedis, type RedisSource } from './redis.ts';
import { birthOf, forgetRunning, type ProcessState, type Running, writeRunning } from './running.ts';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** A process that served this long before it ended starts with the first pause again. */
const STEADY_MS = 60_000;
const READY_MS = 60_000;
const POLL_MS = 200;

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
  readonly #onStep: (step: string) => void;
  readonly #kept = new Map<string, Kept>();
  readonly #stopping = new AbortController();
  #running: Omit<Running, 'processes'>;
  #stopped: Promise<void> | undefined;

  constructor(layout: Layout, onStep: (step: string) => void) {
    this.#layout = layout;
    this.#onStep = onStep;
    const { pid } = process;
    this.#running = { pid, birth: birthOf(pid) ?? '', state: 'starting', step: 'starting', engines: {} };
    writeRunning(layout.state, { ...this.#running, processes: [] });
  }

  /** Resolves when the federation is ready. @throws DeployError REDIS_MISSING REDIS_UNFIT PORT_TAKEN PROCESS_FAILED NOT_READY */
  async start(): Promise<void> {
    const { regions } = this.#layout.description;
    const redis = await findRedis(regions.length, (step) => this.#step(step));
    this.#running = { ...this.#running, engines: engines(redis) };
    await this.#requireFreePorts(redis);
    const [chains = [], views = [], services = []] = await programs(this.#layout, redis);
    this.#step('starting the chains and queues');
    await this.#startAll(chains);
    this.#step('founding the federation');
    await found(this.#layout);
    await this.#startAll(views);
    this.#step('starting vaults, proxies and relays');
    await this.#startAll(services);
    this.#step('waiting until every relay and proxy is ready');
    await this.#allReady();
    this.#running = { ...this.#running, state: 'ready' };
    this.#step('ready');
  }

  /** Ends relays and proxies before the chains and queues they use. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new DeployError('INTERRUPTED', 'the federation is being ended'));
    const children = [...this.#kept.values()].map(({ child }) => child);
    const below = children.filter(({ program }) => /\/(chain|redis)$/.test(program.name));
    await Promise.all(children.filter((child) => !below.includes(child)).map((child) => child.stop()));
    await Promise.all(below.map((child) => child.stop()));
    forgetRunning(this.#layout.state);
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
    const { regions, authorities } = this.#layout.description;
    const names = [
      ...authorities.map(({ mspId }) => `main/attester/${mspId}`),
      ...regions.flatMap((region) => [
        `${region.region}/relay`,
        ...proxyHosts(region).map(({ mspId }) => `${region.region}/proxy/${mspId}`),
      ]),
    ];
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
    await Promise.all(names.map((name) => wait(name, () => isReady(`${this.#layout.url(name)}/ready`))));
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

function engines(redis: RedisSource): Running['engines'] {
  return {
    chains: 'embedded Fabric node (all keys on this machine: no independence)',
    vault: 'embedded block store',
    redis: redis.kind === 'url' ? 'by REDIS_URLS' : `${redis.program} ${redis.version}`,
    node: process.version,
  };
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

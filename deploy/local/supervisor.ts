import { rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Child, type Program } from './child.ts';
import { proxyHosts, readDescription } from './description.ts';
import { DeployError } from './errors.ts';
import { found, settled } from './founding.ts';
import { Layout } from './layout.ts';
import { programs } from './programs.ts';
import { findRedis } from './redis.ts';
import { RUNNING_FILE, type Running } from './running.ts';

const MAX_BACKOFF_MS = 5_000;
const READY_MS = 60_000;
const POLL_MS = 100;

/** Starts every program of a federation, starts again what dies, and ends all of them on SIGTERM. */
class Supervisor {
  readonly #layout: Layout;
  readonly #children = new Map<string, { child: Child; restarts: number }>();
  #running: Running;
  #stopping = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#running = { pid: process.pid, state: 'starting', step: 'starting', engines: {}, processes: [] };
  }

  async run(): Promise<void> {
    const { regions } = this.#layout.description;
    const redis = await findRedis(regions.length, (step) => this.#note({ step }));
    this.#note({
      engines: {
        chains: 'embedded Fabric node (all keys on this machine: no independence)',
        vault: 'embedded block store',
        redis: redis.kind === 'url' ? 'by REDIS_URLS' : `${redis.program} ${redis.version}`,
        node: process.version,
      },
    });
    const stages = await programs(this.#layout, redis);
    await this.#requireFreePorts(stages.flat());
    const [chains = [], services = []] = stages;
    this.#note({ step: 'starting the chains and queues' });
    await this.#start(chains);
    this.#note({ step: 'founding the federation' });
    await found(this.#layout);
    this.#note({ step: 'starting vaults, proxies and relays' });
    await this.#start(services);
    this.#note({ step: 'waiting until every relay and proxy is ready' });
    await this.#allReady();
    this.#note({ state: 'ready', step: 'ready' });
  }

  async #start(stage: readonly Program[]): Promise<void> {
    await Promise.all(stage.map((program) => this.#launch(program, 0)));
  }

  async #launch(program: Program, restarts: number): Promise<void> {
    const child = new Child(program);
    this.#children.set(program.name, { child, restarts });
    this.#note({});
    void child.exited.then(() => this.#revive(program, restarts));
    await child.ready();
  }

  async #revive(program: Program, restarts: number): Promise<void> {
    if (this.#stopping || this.#running.state === 'starting') return;
    await delay(Math.min(MAX_BACKOFF_MS, 100 * 2 ** Math.min(restarts, 10)));
    if (this.#stopping) return;
    await this.#launch(program, restarts + 1).catch(() => undefined);
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
    const deadline = Date.now() + READY_MS;
    const wait = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
      while (!(await holds())) {
        if (Date.now() > deadline)
          throw new DeployError('NOT_READY', `${what} did not become ready; see ${this.#layout.path('logs')}`);
        await delay(POLL_MS);
      }
    };
    await Promise.all(names.map((name) => wait(name, () => isReady(`${this.#layout.url(name)}/ready`))));
    await wait('the mirrors of the main chain', () => settled(this.#layout));
  }

  async #requireFreePorts(all: readonly Program[]): Promise<void> {
    const owned = new Set(all.map(({ name }) => name));
    for (const name of owned) {
      if (name.endsWith('/vault')) continue;
      const port = this.#layout.port(name);
      if (!(await isFree(port)))
        throw new DeployError('PORT_TAKEN', `port ${port} of ${name} is used by another program`);
    }
  }

  /** Writes the state for other terminals, whole or not at all. */
  #note(change: Partial<Running>): void {
    const processes = [...this.#children].map(([name, { child, restarts }]) => ({ name, pid: child.pid, restarts }));
    this.#running = { ...this.#running, ...change, processes };
    const text = JSON.stringify(this.#running, null, 2);
    const file = this.#layout.path(RUNNING_FILE);
    this.#writing = this.#writing.then(async () => {
      await writeFile(`${file}.new`, text, { mode: 0o600 });
      await rename(`${file}.new`, file);
    });
  }

  async fail(error: unknown): Promise<void> {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'PROCESS_FAILED';
    const message = error instanceof Error ? error.message : String(error);
    this.#note({ state: 'failed', failure: { code, message } });
    await this.stop();
  }

  /** Ends relays and proxies before the chains and queues they use. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const children = [...this.#children.values()].map(({ child }) => child);
    const below = children.filter(({ program }) => /\/(chain|redis)$/.test(program.name));
    await Promise.all(children.filter((child) => !below.includes(child)).map((child) => child.stop()));
    await Promise.all(below.map((child) => child.stop()));
    if (this.#running.state !== 'failed') {
      await this.#writing;
      rmSync(this.#layout.path(RUNNING_FILE), { force: true });
    }
    await this.#writing;
  }
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

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

const [, , state] = process.argv;
if (state === undefined) {
  process.stderr.write('usage: STATE-FOLDER\n');
  process.exit(2);
}
const layout = await Layout.open(state, await readDescription(`${state}/description.json`));
const supervisor = new Supervisor(layout);
const stop = (): void => {
  void supervisor.stop().then(() => process.exit(0));
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
await supervisor.run().catch(async (error: unknown) => {
  await supervisor.fail(error);
  process.exit(1);
});

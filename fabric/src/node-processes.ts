import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accepting } from '@yilian/service';
import { FabricError } from './errors.ts';
import type { NodeProgram } from './network.ts';

/** Of every network: they would outlive a process that ends without disposing of them. */
const running = new Set<ChildProcess>();

/** The processes of a network as children of this one, with a log of each in a folder. They are killed when it ends. */
export class NodeProcesses implements AsyncDisposable {
  readonly #folder: string;
  readonly #children = new Map<string, ChildProcess>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Of each as it was started last, whether or not it still runs. */
  get pids(): readonly number[] {
    return [...this.#children.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /**
   * Starts those that do not run, and returns when all are ready.
   * @throws FabricError FABRIC_COMMAND with what one said that ended instead; AbortError
   */
  async start(programs: readonly NodeProgram[], signal?: AbortSignal): Promise<void> {
    await Promise.all(
      programs.filter(({ name }) => !runs(this.#children.get(name))).map((program) => this.#start(program, signal)),
    );
  }

  /** Kills those that are not named, for good. */
  async keep(names: readonly string[]): Promise<void> {
    const others = [...this.#children.keys()].filter((name) => !names.includes(name));
    await Promise.all(others.map((name) => this.kill(name)));
    for (const name of others) this.#children.delete(name);
  }

  /** Without a name, all of them. */
  async kill(...names: readonly string[]): Promise<void> {
    const killed = names.length === 0 ? [...this.#children.keys()] : names;
    await Promise.all(
      killed.map(async (name) => {
        const child = this.#children.get(name);
        if (child === undefined || !runs(child)) return;
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }),
    );
  }

  /** What it said. */
  log(name: string): Promise<string> {
    return readFile(this.#logFile(name), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #start({ name, command, args, env, ready, host }: NodeProgram, signal?: AbortSignal): Promise<void> {
    const log = await open(this.#logFile(name), 'a');
    const child = spawn(command, [...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', ready === 'line' ? 'pipe' : log.fd, log.fd],
    });
    await log.close();
    this.#children.set(name, child);
    dieTogether(child);
    const looked = new AbortController();
    const looking = { signal: AbortSignal.any([looked.signal, ...(signal === undefined ? [] : [signal])]) };
    const ended = once(child, 'exit', looking).then(async () => {
      throw new FabricError('FABRIC_COMMAND', `${name} ended: ${await this.log(name)}`);
    });
    const isReady =
      child.stdout === null ? accepting(Number(ready), looking.signal, host) : once(child.stdout, 'data', looking);
    try {
      await Promise.race([isReady, ended]);
    } finally {
      looked.abort();
    }
  }

  #logFile(name: string): string {
    return join(this.#folder, `${name.replaceAll('/', '-')}.log`);
  }
}

function runs(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null;
}

function dieTogether(child: ChildProcess): void {
  if (running.size === 0) process.once('exit', killAll);
  running.add(child);
  child.once('exit', () => {
    running.delete(child);
    if (running.size === 0) process.off('exit', killAll);
  });
}

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until, within } from '@yilian/testbed/patience';
import type { Arming, Order } from './armed.ts';
import type { Door } from './door.ts';
import { CampaignError } from './errors.ts';

const ARMED = new URL('./armed.ts', import.meta.url).href;
/** Compiled once: every start after the first is twice as fast. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/yilian', import.meta.url));
/** Five programs may start at once on a machine that is busy with other things. */
const START_MS = 60_000;
const REVIVE_MS = 2 * START_MS;
const REACH_MS = 20_000;
const STOP_MS = 10_000;

interface Run {
  readonly child: ChildProcess;
  /** The signal that ended it, else `exit code N`. */
  readonly ended: Promise<string>;
}

/** One of the federation's real programs as a process: started, killed at a step or at any moment, frozen, started again. */
export class Program {
  readonly name: string;
  readonly door: Door;
  /** Kills so far, those at a step included. */
  kills = 0;
  starts = 0;
  freezes = 0;
  readonly #script: string;
  readonly #configFile: string;
  readonly #logFile: string;
  #run: Run | undefined;

  constructor(options: { name: string; door: Door; script: string; configFile: string; logFile: string }) {
    this.name = options.name;
    this.door = options.door;
    this.#script = options.script;
    this.#configFile = options.configFile;
    this.#logFile = options.logFile;
  }

  /** Starts it and opens its door; `failAt`: it kills itself at the first such step, even before it is ready. */
  async start(failAt = ''): Promise<void> {
    const log = openSync(this.#logFile, 'a');
    const child = spawn(process.execPath, ['--import', ARMED, this.#script, this.#configFile], {
      stdio: ['ignore', 'pipe', log, 'ipc'],
      env: { ...process.env, NODE_ENV: 'test', YILIAN_FAIL_AT: failAt, NODE_COMPILE_CACHE: CACHE },
    });
    const ended = once(child, 'exit').then(([code, signal]) => String(signal ?? `exit code ${code}`));
    this.starts += 1;
    this.#run = { child, ended };
    const url = await within(`${this.name} is ready`, START_MS, readyUrl(child, ended)).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
    if (url !== undefined) this.door.target = Number(new URL(url).port);
    else if (failAt === '')
      throw new CampaignError('ENDED', `${this.name} ended (${await ended}); see ${this.#logFile}`);
  }

  /** Starts it again and again, as a supervisor does, until what it needs is there. */
  async revive(): Promise<void> {
    await until(`${this.name} is back`, REVIVE_MS, async () => {
      await this.start();
      return true;
    });
  }

  /** Waits until it says that it does its work; it listens before that. */
  async ready(): Promise<void> {
    await until(`${this.name} does its work`, START_MS, async () => (await fetch(`${this.door.url}/ready`)).ok);
  }

  /** From now on it kills (or stops) itself when it reaches the step. */
  async arm(step: string, how: Arming['how'] = 'kill'): Promise<void> {
    await this.#order({ step, how });
  }

  /** Waits until it killed itself at the step it is armed for. @throws LATE when it does not reach it, ENDED otherwise */
  async died(step: string, patienceMs = REACH_MS): Promise<void> {
    const ended = await within(`${this.name} reaches ${step}`, patienceMs, this.#current().ended);
    if (ended !== 'SIGKILL') throw new CampaignError('ENDED', `${this.name} ended by ${ended} before ${step}`);
    this.kills += 1;
    this.#gone();
  }

  /** Kills it wherever it is. */
  async kill(): Promise<void> {
    const { child, ended } = this.#current();
    child.kill('SIGKILL');
    if ((await ended) !== 'SIGKILL') throw new CampaignError('ENDED', `${this.name} ended by itself`);
    this.kills += 1;
    this.#gone();
  }

  /** Puts its clock ahead of everybody else's until it is started anew. */
  async ahead(aheadMs: number): Promise<void> {
    await this.#order({ aheadMs });
  }

  /** What it logged so far, line by line. */
  async logged(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const lines = (await readFile(this.#logFile, 'utf8')).split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  freeze(): void {
    this.#current().child.kill('SIGSTOP');
    this.freezes += 1;
  }

  /** Waits until it stopped itself at the step it is armed for. */
  async frozen(): Promise<void> {
    const { pid } = this.#current().child;
    await until(`${this.name} is frozen`, REACH_MS, async () =>
      /\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8')),
    );
    this.freezes += 1;
  }

  thaw(): void {
    this.#current().child.kill('SIGCONT');
  }

  get running(): boolean {
    return this.#run !== undefined;
  }

  /** Ends it as an operator would, or after a while as none should. */
  async stop(): Promise<void> {
    if (this.#run === undefined) return;
    const { child, ended } = this.#run;
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(timer);
    this.#gone();
  }

  async #order(order: Order): Promise<void> {
    const { child } = this.#current();
    const acknowledged = once(child, 'message');
    child.send(order);
    await within(`${this.name} takes an order`, START_MS, acknowledged);
  }

  #gone(): void {
    this.#run = undefined;
    this.door.target = undefined;
  }

  #current(): Run {
    if (this.#run === undefined) throw new CampaignError('ENDED', `${this.name} does not run`);
    return this.#run;
  }
}

/** What it says it listens on; undefined when it ends before. */
async function readyUrl(child: ChildProcess, ended: Promise<string>): Promise<string | undefined> {
  if (child.stdout === null) return undefined;
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, 'line'), ended.then(() => undefined)]);
  return line === undefined ? undefined : (JSON.parse(String(line[0])) as { url: string }).url;
}

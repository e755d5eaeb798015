import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { accepting } from '@yilian/service';
import { DeployError } from './errors.ts';
import { type Alive, birthOf } from './running.ts';

/** One process of the federation. */
export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Beside the environment of the supervisor. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of its configuration and its certificates: with another one the program has to be started anew. */
  readonly revision?: string;
  readonly logFile: string;
  /** `line`: prints `{"ready":true,...}` on stdout. A number: accepts connections on that port. */
  readonly ready: 'line' | number;
  /** The address of that port; the loopback when left out. */
  readonly host?: string;
}

const READY_MS = 60_000;
const STOP_MS = 10_000;
const TAIL_BYTES = 4096;
/** As the C library and Go spell ENOSPC. */
const NO_SPACE = 'no space left on device';

/** A running program. */
export class Child {
  readonly program: Program;
  readonly identity: Alive;
  /** Why it ended, in words. Never rejects. */
  readonly exited: Promise<string>;
  readonly #process: ChildProcess;
  /** How long its log was before it. */
  readonly #logged: number;

  constructor(program: Program) {
    this.program = program;
    const log = openSync(program.logFile, 'a', 0o600);
    this.#logged = fstatSync(log).size;
    try {
      this.#process = spawn(program.command, [...program.args], {
        stdio: ['ignore', program.ready === 'line' ? 'pipe' : log, log],
        env: { ...process.env, ...program.env },
      });
    } finally {
      closeSync(log);
    }
    const pid = this.#process.pid ?? -1;
    this.identity = { pid, birth: birthOf(pid) ?? 'gone' };
    this.exited = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(error.message));
      this.#process.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}${this.#lastWords()}`));
    });
  }

  /** Waits until it serves. One that does not in time is ended. @throws DeployError PROCESS_FAILED with the place of its log */
  async ready(): Promise<void> {
    const { name, logFile, ready, host } = this.program;
    const over = new AbortController();
    const { signal } = over;
    const ended = this.exited.then((why) => {
      throw new DeployError('PROCESS_FAILED', `${name} ended (${why}); see ${logFile}`);
    });
    const late = delay(READY_MS, undefined, { signal, ref: false }).then(() => {
      this.#process.kill('SIGKILL');
      throw new DeployError('PROCESS_FAILED', `${name} was not ready within ${READY_MS / 1000} s; see ${logFile}`);
    });
    late.catch(() => undefined);
    try {
      await Promise.race([ready === 'line' ? this.#readyLine() : accepting(ready, signal, host), ended, late]);
    } finally {
      over.abort();
    }
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(timer);
  }

  async #readyLine(): Promise<void> {
    const { stdout } = this.#process;
    if (stdout === null) return;
    const lines = createInterface({ input: stdout });
    for await (const line of lines) {
      if (!line.startsWith('{"ready":true')) continue;
      lines.close();
      stdout.resume();
      return;
    }
    await this.exited;
  }

  /** A service that cannot start says why as `{code, message}` in its last line; programs of others name a full disk. */
  #lastWords(): string {
    try {
      const text = tail(this.program.logFile, this.#logged);
      if (text.toLowerCase().includes(NO_SPACE)) return `: DISK_FULL ${NO_SPACE}`;
      const line = text.trimEnd().split('\n').at(-1) ?? '';
      const { code, message } = JSON.parse(line) as { code?: unknown; message?: unknown };
      return typeof code === 'string' ? `: ${code} ${typeof message === 'string' ? message : ''}`.trimEnd() : '';
    } catch {
      return '';
    }
  }
}

/** Its last bytes, from `start` on. */
function tail(file: string, start: number): string {
  const log = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(TAIL_BYTES);
    const length = readSync(log, bytes, 0, TAIL_BYTES, Math.max(start, fstatSync(log).size - TAIL_BYTES));
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(log);
  }
}

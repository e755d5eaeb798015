import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DeployError } from './errors.ts';

/** One process of the federation. */
export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** `line`: prints `{"ready":true,...}` on stdout. A number: accepts connections on that loopback port. */
  readonly ready: 'line' | number;
}

/** Two dozen processes load the same modules: compiled once, each starts in half the time. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/yilian', import.meta.url));
const READY_MS = 60_000;
const STOP_MS = 10_000;

/** A running program. */
export class Child {
  readonly program: Program;
  readonly #process: ChildProcess;
  readonly exited: Promise<string>;

  constructor(program: Program) {
    this.program = program;
    const log = openSync(program.logFile, 'a');
    this.#process = spawn(program.command, [...program.args], {
      stdio: ['ignore', program.ready === 'line' ? 'pipe' : log, log],
      env: { ...process.env, NODE_COMPILE_CACHE: CACHE },
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(error.message));
      this.#process.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** @throws DeployError PROCESS_FAILED with the place of its log */
  async ready(): Promise<void> {
    const { name, logFile, ready } = this.program;
    const ended = this.exited.then((why) => {
      throw new DeployError('PROCESS_FAILED', `${name} ended (${why}); see ${logFile}`);
    });
    const late = delay(READY_MS, undefined, { ref: false }).then(() => {
      throw new DeployError('PROCESS_FAILED', `${name} was not ready within ${READY_MS / 1000} s; see ${logFile}`);
    });
    await Promise.race([ready === 'line' ? this.#readyLine() : accepting(ready), ended, late]);
  }

  async #readyLine(): Promise<void> {
    const { stdout } = this.#process;
    if (stdout === null) return;
    const lines = createInterface({ input: stdout });
    for await (const line of lines) {
      if (line.startsWith('{"ready":true')) {
        lines.close();
        stdout.resume();
        return;
      }
    }
    await this.exited;
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    await this.exited;
    clearTimeout(timer);
  }
}

async function accepting(port: number): Promise<void> {
  while (!(await accepts(port))) await delay(20);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

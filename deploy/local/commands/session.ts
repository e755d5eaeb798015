import { resolve } from 'node:path';
import { SingleBar } from 'cli-progress';
import { type Command, InvalidArgumentError } from 'commander';
import type { Actors } from '../actors.ts';
import type { Order } from '../control.ts';
import { DeployError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import { askPassphrase } from '../passphrase.ts';
import { running } from '../running.ts';

interface Globals {
  readonly state: string;
  readonly json?: boolean;
}

export interface Progress {
  readonly update: (bytes: number) => void;
  readonly stop: () => void;
}

/** Shorter work needs no bar. */
const LONG_BYTES = 8_000_000;

/** One command line: where it works, how it speaks, and whether it was interrupted. */
export class Session {
  readonly signal: AbortSignal;
  readonly #program: Command;

  constructor(program: Command, signal: AbortSignal) {
    this.#program = program;
    this.signal = signal;
  }

  /** The state folder. */
  get state(): string {
    return resolve(this.#globals.state);
  }

  get #globals(): Globals {
    return this.#program.opts<Globals>();
  }

  /** The command's one answer: a JSON value, or lines for people. */
  answer(value: unknown, lines: readonly string[]): void {
    process.stdout.write(this.#globals.json === true ? `${JSON.stringify(value)}\n` : `${lines.join('\n')}\n`);
  }

  /** A word on the way, for people only. */
  readonly note = (line: string): void => {
    if (this.#globals.json !== true) process.stderr.write(`${line}\n`);
  };

  /** A bar on a terminal, for what takes long. */
  progress(name: string, totalBytes: number): Progress {
    if (totalBytes < LONG_BYTES || !process.stderr.isTTY || this.#globals.json === true)
      return { update: () => undefined, stop: () => undefined };
    const bar = new SingleBar({
      format: `${name} {bar} {percentage}% {eta} s`,
      stream: process.stderr,
      gracefulExit: false,
    });
    bar.start(totalBytes, 0);
    return { update: (bytes) => bar.update(bytes), stop: () => bar.stop() };
  }

  /** What only those need who work on a federation is loaded here. @throws DeployError NOT_RUNNING NOT_READY */
  async actors(): Promise<Actors> {
    const { attach } = await import('../federation.ts');
    const layout = await attach(this.state);
    const { Actors } = await import('../actors.ts');
    return new Actors(layout, askPassphrase(this.signal), this.signal);
  }

  /** The scopes a person named, or all. @throws DeployError USAGE */
  scopes(layout: Layout, named: readonly string[] | undefined): readonly string[] {
    const known = layout.description.scopes.map(({ scope }) => scope);
    for (const scope of named ?? []) {
      if (!known.includes(scope)) throw new DeployError('USAGE', `no scope ${scope}; there are ${known.join(', ')}`);
    }
    return named ?? known;
  }
}

/** For options that count something. */
export function positive(text: string): number {
  const value = Number(text);
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number from 1 on is wanted.');
  return value;
}

/** Has the supervisor carry out an order. @throws DeployError NOT_RUNNING NOT_READY, and what the supervisor says */
export async function give({ state, note, signal }: Session, given: Order): Promise<unknown> {
  const now = await running(state);
  if (now === undefined) throw new DeployError('NOT_RUNNING', `no federation runs in ${state}`);
  if (now.control === undefined) throw new DeployError('NOT_READY', `the federation is starting: ${now.step}`);
  const { order } = await import('../control.ts');
  return order(now.control, given, note, signal);
}

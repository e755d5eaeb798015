import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ContractVersion } from './contract-versions.ts';
import { DeployError, type DeployErrorCode, told } from './errors.ts';

/** What a command has the supervisor do. */
export type Order =
  /** Becomes what this file describes. */
  | { readonly kind: 'change'; readonly description: string }
  /** Puts another version of a network's contracts in force. */
  | ({ readonly kind: 'upgrade'; readonly network: string } & ContractVersion)
  /** Renews what expires in so many days. */
  | { readonly kind: 'renew'; readonly withinDays: number }
  /** Makes a folder a backup, or says how it would. */
  | { readonly kind: 'backup'; readonly folder: string; readonly dryRun?: true };

/** What has begun is brought to its end, whether or not the command waits for it. */
type CarryOut = (order: Order, say: (step: string) => void) => Promise<unknown>;

type Word =
  | { readonly step: string }
  | { readonly done: unknown }
  | { readonly failed: { readonly code: string; readonly message: string } };

/**
 * Where commands of the same user reach the supervisor: a socket in a folder that only its owner enters, since the path of
 * a state folder may be longer than a socket's may be. One line of JSON with the order; lines with steps and an end come
 * back. One order at a time.
 */
export class Control {
  readonly path: string;
  readonly #server: Server;
  #busy = false;

  static async open(carryOut: CarryOut): Promise<Control> {
    const path = join(mkdtempSync(join(tmpdir(), 'yilian-control-')), 'socket');
    const control = new Control(path, carryOut);
    control.#server.listen(path);
    await once(control.#server, 'listening');
    control.#server.unref();
    return control;
  }

  private constructor(path: string, carryOut: CarryOut) {
    this.path = path;
    this.#server = createServer((socket) => void this.#serve(socket, carryOut));
  }

  async #serve(socket: Socket, carryOut: CarryOut): Promise<void> {
    const gone = new AbortController();
    socket.on('error', () => undefined).on('close', () => gone.abort());
    const say = (word: Word): void => void (socket.writable && socket.write(`${JSON.stringify(word)}\n`));
    try {
      const [line] = (await once(createInterface({ input: socket }), 'line', { signal: gone.signal })) as [string];
      if (this.#busy) throw new DeployError('STATE_BUSY', 'another command is changing this federation');
      this.#busy = true;
      try {
        say({ done: (await carryOut(JSON.parse(line) as Order, (step) => say({ step }))) ?? null });
      } finally {
        this.#busy = false;
      }
    } catch (error) {
      say({ failed: told(error) });
    }
    socket.end();
  }

  close(): void {
    this.#server.close();
    forget(this.path);
  }
}

/** Removes what a supervisor that was killed left of its socket. */
export function forget(path: string): void {
  rmSync(dirname(path), { recursive: true, force: true });
}

/** Gives the supervisor an order and returns what came of it. @throws DeployError NOT_RUNNING, or what the supervisor says */
export async function order(
  path: string,
  given: Order,
  onStep: (step: string) => void,
  signal: AbortSignal,
): Promise<unknown> {
  const socket = connect(path);
  const stop = (): void => void socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await once(socket, 'connect').catch((cause: unknown) => {
      throw new DeployError('NOT_RUNNING', 'the federation’s supervisor does not answer', { cause });
    });
    socket.write(`${JSON.stringify(given)}\n`);
    for await (const line of createInterface({ input: socket })) {
      const word = JSON.parse(line) as Word;
      if ('step' in word) onStep(word.step);
      else if ('done' in word) return word.done;
      else throw new DeployError(word.failed.code as DeployErrorCode, word.failed.message);
    }
    signal.throwIfAborted();
    throw new DeployError('PROCESS_FAILED', 'the federation’s supervisor ended');
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

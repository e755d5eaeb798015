import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { CapsuleWithCfrags, Decapsulated, ReencryptedBatch } from './batch.ts';
import { decapsulateAll, reencryptAll } from './batch.ts';
import { wipe } from './bytes.ts';
import type { Capsule } from './capsule.ts';
import type { VerifiedCapsuleFrag } from './cfrag.ts';
import type { VerifiedKeyFrag } from './kfrag.ts';
import { PreError } from './pre-error.ts';
import type { Posted, SentCfrag, SentDecapsulated, Task } from './thread-task.ts';
import { cfragsFrom, decapsulatedFrom, decapsulateTask, reencryptTask } from './thread-task.ts';

/** Below this many items a batch is done where it is, in a fraction of the time in which a thread starts. */
const SMALL = 64;
/** Items that a thread is handed at a time, at most: how much is done in vain after an abort. */
const MAX_SLICE = 32;

export interface PreWorkersOptions {
  /** At most this many threads, 1 or more. Default: as many as the machine can run at once. */
  readonly threads?: number;
}

export interface WorkOptions {
  /** Aborted, the work rejects with its reason and what no thread has begun is not begun. */
  readonly signal?: AbortSignal | undefined;
}

/** How a batch is done by slices: here, or as a task whose reply becomes the results. */
interface Operation<Item, Result, Reply> {
  readonly here: (items: readonly Item[]) => Result[];
  readonly task: (items: readonly Item[]) => Posted<Task>;
  readonly results: (reply: Reply, items: readonly Item[]) => Result[];
  /** Overwrites what is secret in results that nobody gets. */
  readonly discard: (results: readonly Result[]) => void;
}

/** A part of a batch on its way to a thread. */
interface Slice {
  task(): Posted<Task>;
  done(reply: unknown): void;
  failed(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  slice?: Slice | undefined;
}

/**
 * Node alone: does large batches in threads, which are started when they are first needed and end with the pool:
 * `await using workers = new PreWorkers()`. A pool that has nothing to do does not keep the process alive.
 *
 * A thread is sent the key fragment or the receiving key and sends back the keys it found. These are moved from the memory
 * of one thread to that of the other and overwritten there; should the engine copy them on the way, as structured cloning
 * does with everything else, nobody can overwrite the copies. Whoever cannot accept that works without threads.
 */
export class PreWorkers implements AsyncDisposable {
  readonly #limit: number;
  readonly #threads = new Set<Thread>();
  #waiting: Slice[] = [];
  #isDisposed = false;

  /** @throws ARGUMENT_INVALID */
  constructor({ threads = availableParallelism() }: PreWorkersOptions = {}) {
    if (!Number.isSafeInteger(threads) || threads < 1)
      throw new PreError('ARGUMENT_INVALID', 'threads is a whole number from 1 on');
    this.#limit = threads;
  }

  /**
   * Proxy side: `reencryptAll`. A fragment that is wiped meanwhile ends the batch.
   * @throws KFRAG_INVALID; THREAD_ENDED when a thread dies or the pool is disposed of; the reason of an aborted signal
   */
  reencryptAll(
    capsules: readonly Capsule[],
    kfrag: VerifiedKeyFrag,
    { signal }: WorkOptions = {},
  ): Promise<VerifiedCapsuleFrag[]> {
    return this.#spread<Capsule, VerifiedCapsuleFrag, SentCfrag[]>(capsules, signal, {
      here: (some) => reencryptAll(some, kfrag),
      task: (some) => reencryptTask(some, kfrag),
      results: (reply, some) => cfragsFrom(reply, some, kfrag),
      discard: () => {},
    });
  }

  /**
   * Receiver side: `decapsulateAll`. A receiving key that is wiped meanwhile ends the batch.
   * @throws KEY_INVALID; THREAD_ENDED when a thread dies or the pool is disposed of; the reason of an aborted signal
   */
  decapsulateAll(
    { items, ...keys }: Omit<ReencryptedBatch, 'cache'>,
    { signal }: WorkOptions = {},
  ): Promise<Decapsulated[]> {
    return this.#spread<CapsuleWithCfrags, Decapsulated, SentDecapsulated[]>(items, signal, {
      here: (some) => decapsulateAll({ ...keys, items: some }),
      task: (some) => decapsulateTask(some, keys),
      results: decapsulatedFrom,
      discard: (results) => wipe(...results.flatMap(({ key }) => (key instanceof Uint8Array ? [key] : []))),
    });
  }

  /** Ends the threads. Batches under way are rejected with THREAD_ENDED. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    for (const slice of this.#waiting) slice.failed(disposed());
    await Promise.all(Array.from(this.#threads, ({ worker }) => worker.terminate()));
  }

  async #spread<Item, Result, Reply>(
    items: readonly Item[],
    signal: AbortSignal | undefined,
    { here, task, results, discard }: Operation<Item, Result, Reply>,
  ): Promise<Result[]> {
    signal?.throwIfAborted();
    if (this.#isDisposed) throw disposed();
    if (items.length < SMALL) return here(items);
    const parts = cut(items, this.#limit);
    const done = new Map<number, Result[]>();
    let abort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        let isOver = false;
        const failed = (error: Error) => {
          isOver = true;
          this.#waiting = this.#waiting.filter((slice) => !slices.includes(slice));
          reject(error);
        };
        const slices = parts.map(
          (part, at): Slice => ({
            task: () => task(part),
            done(reply) {
              const found = results(reply as Reply, part);
              if (isOver) discard(found);
              else done.set(at, found);
              if (done.size === parts.length) resolve();
            },
            failed,
          }),
        );
        abort = () => failed(signal?.reason as Error);
        signal?.addEventListener('abort', abort);
        this.#waiting.push(...slices);
        this.#handOut();
      });
    } catch (error) {
      for (const found of done.values()) discard(found);
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    return parts.flatMap((_, at) => done.get(at) as Result[]);
  }

  #handOut(): void {
    while (this.#waiting.length > 0) {
      const thread = [...this.#threads].find(({ slice }) => slice === undefined) ?? this.#started();
      if (thread === undefined) return;
      const slice = this.#waiting.shift() as Slice;
      try {
        post(thread, slice);
      } catch (error) {
        slice.failed(error as Error);
      }
    }
  }

  /** Another thread, unless there are as many as may be. */
  #started(): Thread | undefined {
    if (this.#threads.size >= this.#limit) return undefined;
    // The program's own flags are about its own entry: `--input-type` for one would end every thread.
    const worker = new Worker(new URL(import.meta.resolve('#thread')), { execArgv: [] });
    worker.unref();
    const thread: Thread = { worker };
    let cause: unknown;
    worker.on('message', (reply) => {
      const { slice } = thread;
      thread.slice = undefined;
      worker.unref();
      slice?.done(reply);
      this.#handOut();
    });
    worker.on('messageerror', () => void worker.terminate());
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => {
      this.#threads.delete(thread);
      const lost = () => new PreError('THREAD_ENDED', 'a thread ended before its work was done', { cause });
      thread.slice?.failed(this.#isDisposed ? disposed() : lost());
      this.#handOut();
    });
    this.#threads.add(thread);
    return thread;
  }
}

function post(thread: Thread, slice: Slice): void {
  const { message, secrets } = slice.task();
  thread.worker.postMessage(
    message,
    secrets.map(({ buffer }) => buffer),
  );
  thread.slice = slice;
  thread.worker.ref();
}

/** Parts of equal size, as many for each thread. */
function cut<T>(items: readonly T[], threads: number): T[][] {
  const rounds = Math.ceil(items.length / (threads * MAX_SLICE));
  const size = Math.ceil(items.length / (threads * rounds));
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

function disposed(): PreError {
  return new PreError('THREAD_ENDED', 'the pool was disposed of');
}

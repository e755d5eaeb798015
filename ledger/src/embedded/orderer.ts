import { setImmediate } from 'node:timers/promises';
import { makeMetadata } from './block.ts';
import type { Committer } from './committer.ts';
import type { Channel } from './config.ts';
import { signOrdering } from './ordering.ts';
import type { Signer } from './signer.ts';
import type { StateLock } from './state-lock.ts';
import type { Transaction } from './transaction.ts';

/** When a block is cut. */
export interface BatchOptions {
  /** Transactions a block holds at most. Default 100. */
  readonly maxCount?: number;
  /** Bytes of envelopes after which a block is cut. Default 2 MiB. */
  readonly maxBytes?: number;
  /**
   * How long the first transaction of a block waits for others. Default 0: a block is cut at once when none is being
   * written, and what arrives meanwhile makes the next.
   */
  readonly timeoutMs?: number;
}

interface Pending {
  readonly transaction: Transaction;
  readonly written: PromiseWithResolvers<void>;
}

interface OrdererOptions {
  readonly channel: Channel;
  readonly committer: Committer;
  readonly signer: Signer;
  readonly lock: StateLock;
  readonly clock: () => number;
  readonly batch: BatchOptions;
  readonly maxPending: number;
}

/** One queue, one block at a time. */
export class Orderer {
  readonly #options: OrdererOptions;
  #batch: Required<BatchOptions>;
  #queue: Pending[] = [];
  #bytes = 0;
  #running: Promise<void> | undefined;
  #full: PromiseWithResolvers<void> | undefined;
  /** After a block could not be written, transactions are accepted only once they are written. */
  #degraded = false;
  #closed = false;

  /** @throws EmbeddedError STORE_FULL, STORE_CORRUPT or STORE_FAILED when the chain begins and cannot be written */
  constructor(options: OrdererOptions) {
    this.#options = options;
    this.#batch = { maxCount: 100, maxBytes: 2 * 1024 * 1024, timeoutMs: 0, ...options.batch };
    if (options.committer.undeclared) this.#cut([]);
  }

  /** Why nothing can be submitted now. */
  get refusal(): string | undefined {
    if (this.#closed) return 'the embedded Fabric node is closing';
    return this.#queue.length >= this.#options.maxPending ? 'the queue of the embedded orderer is full' : undefined;
  }

  /**
   * Takes a transaction into the queue.
   * @throws EmbeddedError STORE_FULL, STORE_CORRUPT or STORE_FAILED while blocks cannot be written
   */
  async submit(transaction: Transaction): Promise<void> {
    const written = Promise.withResolvers<void>();
    written.promise.catch(() => undefined);
    this.#queue.push({ transaction, written });
    this.#bytes += transaction.envelope.length;
    if (this.#enough()) this.#full?.resolve();
    this.#running ??= this.#run();
    if (this.#degraded) await written.promise;
  }

  /** Cuts by these rules from now on; what is left out stays. */
  rebatch(batch: BatchOptions): void {
    this.#batch = { ...this.#batch, ...batch };
  }

  /** Writes a changed definition into the chain: with the next transactions, or a block of its own. */
  declare(): void {
    if (!this.#closed && this.#options.committer.undeclared) this.#running ??= this.#run();
  }

  /** Takes nothing more, and waits until what was taken is written. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    do {
      await this.#gather();
      const release = await this.#options.lock.write();
      const batch = this.#take();
      try {
        this.#cut(batch);
      } catch (error) {
        this.#fail(batch, error as Error);
      } finally {
        release();
      }
    } while (this.#queue.length > 0);
    this.#running = undefined;
  }

  async #gather(): Promise<void> {
    await setImmediate();
    if (this.#batch.timeoutMs === 0 || this.#enough()) return;
    const full = Promise.withResolvers<void>();
    const timer = setTimeout(full.resolve, this.#batch.timeoutMs);
    this.#full = full;
    await full.promise;
    clearTimeout(timer);
    this.#full = undefined;
  }

  #enough(): boolean {
    return this.#queue.length >= this.#batch.maxCount || this.#bytes >= this.#batch.maxBytes;
  }

  #take(): Pending[] {
    let count = 0;
    let bytes = 0;
    for (const { transaction } of this.#queue) {
      if (count > 0 && (count >= this.#batch.maxCount || bytes >= this.#batch.maxBytes)) break;
      count += 1;
      bytes += transaction.envelope.length;
    }
    this.#bytes -= bytes;
    return this.#queue.splice(0, count);
  }

  /** Cuts, judges and writes one block. Synchronous: nothing else runs between its reads and its write. */
  #cut(batch: readonly Pending[]): void {
    const { channel, committer, signer, clock } = this.#options;
    const at = Math.max(Math.trunc(clock()), committer.at);
    const ordering = { at, ...(committer.undeclared && { definition: channel.definition }) };
    const judged = committer.judge(
      batch.map(({ transaction }) => transaction),
      ordering,
    );
    const signed = signOrdering(judged.header, ordering, signer);
    committer.write(judged, makeMetadata(signed, judged.codes, judged.commitHash));
    this.#degraded = false;
    for (const { written } of batch) written.resolve();
  }

  /** Nothing of the batch was written, so nothing of it is kept: a later block must not surprise who was told of a failure. */
  #fail(batch: readonly Pending[], error: Error): void {
    this.#degraded = true;
    for (const { transaction, written } of batch) {
      written.reject(error);
      this.#options.committer.fail(transaction.txId, error);
    }
  }
}

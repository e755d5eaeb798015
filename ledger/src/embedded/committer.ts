import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { encodeHeader, headerHash, makeHeader, makeMetadata, nextCommitHash } from './block.ts';
import type { Channel } from './config.ts';
import { encodeUpdates } from './rwset.ts';
import type { StateLock } from './state-lock.ts';
import type { HistoryEntry, Store, TransactionRecord } from './store.ts';
import type { Transaction } from './transaction.ts';
import { Validator } from './validator.ts';

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

export interface TransactionStatus {
  /** `peer.TxValidationCode` */
  readonly code: number;
  readonly block: number;
}

interface Pending {
  readonly transaction: Transaction;
  readonly written: PromiseWithResolvers<void>;
}

interface CommitterOptions {
  readonly channel: Channel;
  readonly store: Store;
  readonly lock: StateLock;
  readonly clock: () => number;
  readonly batch: BatchOptions;
  readonly maxPending: number;
}

/** The orderer and the committing peer: one queue, one block at a time, each on disk before anybody hears of it. */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #batch: Required<BatchOptions>;
  readonly #events = new EventEmitter({ captureRejections: false }).setMaxListeners(0);
  #queue: Pending[] = [];
  #bytes = 0;
  #running: Promise<void> | undefined;
  #full: PromiseWithResolvers<void> | undefined;
  #lastHash: Uint8Array = new Uint8Array();
  #commitHash: Uint8Array;
  #height: number;
  /** After a block could not be written, transactions are accepted only once they are written. */
  #degraded = false;
  #closed = false;

  constructor(options: CommitterOptions) {
    const { store, batch } = options;
    this.#options = options;
    this.#batch = { maxCount: 100, maxBytes: 2 * 1024 * 1024, timeoutMs: 0, ...batch };
    this.#height = store.height();
    this.#commitHash = store.meta('commitHash') ?? new Uint8Array();
    if (this.#height === 0) this.#write([]);
    else this.#lastHash = store.block(this.#height - 1)?.hash ?? new Uint8Array();
  }

  get height(): number {
    return this.#height;
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

  /**
   * Waits for a transaction's verdict.
   * @throws EmbeddedError when its block could not be written; the reason of `signal` when that came first
   */
  async status(txId: string, signal: AbortSignal): Promise<TransactionStatus> {
    const known = this.#options.store.transaction(txId);
    if (known) return { code: known.code, block: known.block };
    const [verdict] = (await once(this.#events, `tx:${txId}`, { signal })) as [TransactionStatus | Error];
    if (verdict instanceof Error) throw verdict;
    return verdict;
  }

  /** Waits until there is a block of this number. */
  async reached(block: number, signal: AbortSignal): Promise<void> {
    while (this.#height <= block) await once(this.#events, 'block', { signal });
  }

  /** Takes nothing more, and waits until what was taken is written. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#gather();
      const release = await this.#options.lock.write();
      const batch = this.#take();
      try {
        this.#write(batch);
      } catch (error) {
        this.#fail(batch, error as Error);
      } finally {
        release();
      }
    }
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
  #write(batch: readonly Pending[]): void {
    const { channel, store, clock } = this.#options;
    const number = this.#height;
    const envelopes = batch.map(({ transaction }) => transaction.envelope);
    const header = makeHeader(number, this.#lastHash, envelopes);
    const validator = new Validator(channel, store, clock());
    const history: HistoryEntry[] = [];
    const transactions = batch.map(({ transaction }, position): TransactionRecord => {
      const { code, sets } = validator.judge(transaction, number, position);
      history.push(...sets.map(({ namespace, writes }) => ({ namespace, position, writes })));
      return { txId: transaction.txId, block: number, position, code, envelope: transaction.envelope };
    });
    const codes = Uint8Array.from(transactions, ({ code }) => code);
    const { updates } = validator;
    const commitHash =
      number === 0 ? new Uint8Array() : nextCommitHash(codes, encodeUpdates(updates), this.#commitHash);
    const metadata = makeMetadata(header, channel.orderer, codes, commitHash);
    const hash = headerHash(header);
    store.append({
      block: { number, hash, header: encodeHeader(header), metadata },
      transactions,
      updates,
      history,
      commitHash,
    });
    this.#height = number + 1;
    this.#lastHash = hash;
    this.#commitHash = commitHash;
    this.#degraded = false;
    for (const { written } of batch) written.resolve();
    for (const { txId, code } of transactions) this.#events.emit(`tx:${txId}`, { code, block: number });
    this.#events.emit('block');
  }

  /** Nothing of the batch was written, so nothing of it is kept: a later block must not surprise who was told of a failure. */
  #fail(batch: readonly Pending[], error: Error): void {
    this.#degraded = true;
    for (const { transaction, written } of batch) {
      written.reject(error);
      this.#events.emit(`tx:${transaction.txId}`, error);
    }
  }
}

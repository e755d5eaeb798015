import { EventEmitter, once } from 'node:events';
import QuickLRU from 'quick-lru';
import { encodeHeader, type Header, headerHash, makeHeader, nextCommitHash } from './block.ts';
import type { Channel } from './config.ts';
import type { Ordering } from './ordering.ts';
import { encodeUpdates, type Updates } from './rwset.ts';
import type { HistoryEntry, Store, TransactionRecord } from './store.ts';
import type { Transaction } from './transaction.ts';
import { Validator } from './validator.ts';

export interface TransactionStatus {
  /** `peer.TxValidationCode` */
  readonly code: number;
  readonly block: number;
}

/** A block that was judged and not yet written. */
export interface JudgedBlock {
  readonly header: Header;
  readonly ordering: Ordering;
  readonly transactions: readonly TransactionRecord[];
  /** Verdicts, one byte each. */
  readonly codes: Uint8Array;
  readonly updates: Updates;
  readonly history: readonly HistoryEntry[];
  readonly commitHash: Uint8Array;
}

/** A submitter asks for the verdict only after the orderer took the transaction: it may have failed by then. */
const REMEMBERED_FAILURES = 1_000;

/** The committing peer: judges the next block and writes it, each on disk before anybody hears of it. */
export class Committer {
  readonly #channel: Channel;
  readonly #store: Store;
  readonly #failed = new QuickLRU<string, Error>({ maxSize: REMEMBERED_FAILURES });
  readonly #events = new EventEmitter({ captureRejections: false }).setMaxListeners(0);
  #lastHash: Uint8Array;
  #commitHash: Uint8Array;
  #height: number;
  #at: number;
  #definition: string | undefined;
  #halted: Error | undefined;

  /** @throws EmbeddedError STORE_CORRUPT, STORE_FAILED */
  constructor(channel: Channel, store: Store) {
    this.#channel = channel;
    this.#store = store;
    this.#height = store.height();
    this.#commitHash = store.meta('commitHash') ?? new Uint8Array();
    this.#definition = store.meta('definition')?.toString();
    this.#lastHash = store.block(this.#height - 1)?.hash ?? new Uint8Array();
    this.#at = Number(store.meta('at')?.toString() ?? 0);
    this.#events.on('error', () => undefined);
  }

  /** Number of blocks. */
  get height(): number {
    return this.#height;
  }

  /** Hash of the last block; empty before there is one. */
  get lastHash(): Uint8Array {
    return this.#lastHash;
  }

  /** When the last block was judged, epoch milliseconds. */
  get at(): number {
    return this.#at;
  }

  /** The header of the next block, if it holds these envelopes. */
  header(envelopes: readonly Uint8Array[]): Header {
    return makeHeader(this.#height, this.#lastHash, envelopes);
  }

  /** Whether the definition in force is not in the chain yet. */
  get undeclared(): boolean {
    return this.#channel.recorded !== this.#definition;
  }

  /** Judges the next block under the definition in force, which has to be that of `ordering`. */
  judge(transactions: readonly Transaction[], ordering: Ordering): JudgedBlock {
    const validator = new Validator(this.#channel, this.#store, ordering.at);
    const history: HistoryEntry[] = [];
    const records = transactions.map((transaction, position): TransactionRecord => {
      const { code, sets } = validator.judge(transaction, this.#height, position);
      history.push(...sets.map(({ namespace, writes }) => ({ namespace, position, writes })));
      return { txId: transaction.txId, block: this.#height, position, code, envelope: transaction.envelope };
    });
    const codes = Uint8Array.from(records, ({ code }) => code);
    const { updates } = validator;
    const first = this.#height === 0;
    const commitHash = first ? new Uint8Array() : nextCommitHash(codes, encodeUpdates(updates), this.#commitHash);
    const header = this.header(transactions.map(({ envelope }) => envelope));
    return { header, ordering, transactions: records, codes, updates, history, commitHash };
  }

  /**
   * Writes what was judged last.
   * @throws EmbeddedError STORE_FULL, STORE_CORRUPT, STORE_FAILED; then nothing has changed
   */
  write({ header, ordering, transactions, updates, history, commitHash }: JudgedBlock, metadata: Uint8Array): void {
    const { number } = header;
    const hash = headerHash(header);
    const { at } = ordering;
    const { recorded: definition } = this.#channel;
    const block = { number, hash, header: encodeHeader(header), metadata };
    this.#store.append({ block, transactions, updates, history, commitHash, at, definition });
    this.#height = number + 1;
    this.#lastHash = hash;
    this.#commitHash = commitHash;
    this.#at = at;
    this.#definition = definition;
    for (const { txId, code } of transactions) this.#events.emit(`tx:${txId}`, { code, block: number });
    this.#events.emit('block');
  }

  /**
   * Waits for a transaction's verdict.
   * @throws EmbeddedError when its block could not be written; the reason of `signal` when that came first
   */
  async status(txId: string, signal: AbortSignal): Promise<TransactionStatus> {
    const known = this.#store.transaction(txId);
    if (known) return { code: known.code, block: known.block };
    const failed = this.#failed.get(txId);
    if (failed) throw failed;
    if (this.#halted) throw this.#halted;
    const [verdict] = (await once(this.#events, `tx:${txId}`, { signal })) as [TransactionStatus | Error];
    if (verdict instanceof Error) throw verdict;
    return verdict;
  }

  /** Waits until there is a block of this number. */
  async reached(block: number, signal: AbortSignal): Promise<void> {
    while (this.#height <= block) {
      if (this.#halted) throw this.#halted;
      await once(this.#events, 'block', { signal });
    }
  }

  /** Tells who waits for a transaction, now or later, that its block could not be written. */
  fail(txId: string, error: Error): void {
    this.#failed.set(txId, error);
    this.#events.emit(`tx:${txId}`, error);
  }

  /** There will be no further block: fails who waits for one, now or later. */
  halt(reason: Error): void {
    this.#halted = reason;
    this.#events.emit('error', reason);
  }
}

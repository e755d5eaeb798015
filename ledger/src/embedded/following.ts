import { setTimeout as delay } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { COMMIT_HASH, headerHash, makeMetadata, type ReceivedBlock, SIGNATURES, TRANSACTIONS_FILTER } from './block.ts';
import type { Committer, JudgedBlock } from './committer.ts';
import type { Channel } from './config.ts';
import { EmbeddedError, RpcError } from './errors.ts';
import { type Ordering, openOrdering } from './ordering.ts';
import type { StateLock } from './state-lock.ts';
import { readTransaction } from './transaction.ts';
import type { Upstream } from './upstream.ts';
import { read } from './wire.ts';

interface FollowingOptions {
  readonly channel: Channel;
  readonly committer: Committer;
  readonly lock: StateLock;
  readonly upstream: Upstream;
  /** How often the upstream is asked for its newest block. */
  readonly pollMs: number;
  readonly onBroken: (fault: EmbeddedError) => void;
  readonly onTrouble: (trouble: Error) => void;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
const ANSWER_MS = 5_000;

/** Takes blocks from an upstream, believes nothing of them, and stops for good at the first that is wrong. */
export class Following {
  readonly #options: FollowingOptions;
  readonly #ended = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #caughtUp = Promise.withResolvers<void>();
  #heardAt = Number.NEGATIVE_INFINITY;
  #upstreamHeight = 0;
  #fault: EmbeddedError | undefined;

  constructor(options: FollowingOptions) {
    this.#options = options;
    this.#caughtUp.promise.catch(() => undefined);
    this.#running = Promise.all([this.#follow(), this.#watch()]);
  }

  /** Why it stopped following. */
  get fault(): EmbeddedError | undefined {
    return this.#fault;
  }

  /** Milliseconds since the upstream was last heard; infinite before. */
  age(): number {
    return performance.now() - this.#heardAt;
  }

  /** Blocks the upstream is known to have and that are not here; infinite before it was heard. */
  behind(): number {
    if (this.#upstreamHeight === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#upstreamHeight - this.#options.committer.height);
  }

  /** Resolves once it has had every block of the upstream. @throws EmbeddedError CHAIN_BROKEN; the signal's reason */
  async caughtUp(): Promise<void> {
    return this.#caughtUp.promise;
  }

  /** Stops following; resolves when the last block is written. */
  async close(): Promise<void> {
    this.#ended.abort(new RpcError(status.UNAVAILABLE, 'the follower is closing'));
    this.#caughtUp.reject(this.#ended.signal.reason);
    await this.#running;
  }

  async #follow(): Promise<void> {
    const { committer, upstream } = this.#options;
    const { signal } = this.#ended;
    let wait = FIRST_WAIT_MS;
    while (!signal.aborted) {
      const last = committer.height - 1;
      try {
        for await (const block of upstream.blocks(Math.max(last, 0), signal)) {
          const known = last >= 0 && block.header.number === last && committer.height === last + 1;
          if (known) this.#requireSame(block);
          else await this.#take(block);
          this.#hear(0);
          wait = FIRST_WAIT_MS;
        }
      } catch (error) {
        this.#stumble(error);
      }
      await delay(wait, undefined, { signal }).catch(() => undefined);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  }

  /** Keeps an eye on how far the upstream is, also while there are no blocks. */
  async #watch(): Promise<void> {
    const { channel, committer, pollMs, upstream } = this.#options;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const before = committer.height;
      try {
        const newest = await upstream.newest(AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]));
        const { header, metadata } = newest;
        const { number } = header;
        ordered(() => openOrdering(header, entriesOf(metadata)[SIGNATURES] as Uint8Array, channel.orderer), number);
        if (number === committer.height - 1) this.#requireSame(newest);
        if (number < before - 1) throw broken(number, 'is its newest, and it had more before');
        this.#hear(number + 1);
      } catch (error) {
        this.#stumble(error);
      }
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #hear(height: number): void {
    this.#heardAt = performance.now();
    this.#upstreamHeight = Math.max(height, this.#upstreamHeight);
    if (this.behind() === 0) this.#caughtUp.resolve();
  }

  async #take(block: ReceivedBlock): Promise<void> {
    const { channel, committer, lock } = this.#options;
    const release = await lock.write();
    const before = channel.definition;
    try {
      this.#ended.signal.throwIfAborted();
      const judged = this.#judge(block);
      committer.write(judged, block.metadata);
    } catch (error) {
      if (channel.definition !== before) channel.adopt(before);
      throw error;
    } finally {
      release();
    }
  }

  /** Judges a block as if nobody had before, and compares. */
  #judge({ header, envelopes, metadata }: ReceivedBlock): JudgedBlock {
    const { channel, committer } = this.#options;
    const { number } = header;
    if (number !== committer.height) throw broken(number, `comes in place of block ${committer.height}`);
    const expected = committer.header(envelopes);
    if (!same(header.previousHash, expected.previousHash)) throw broken(number, 'does not follow the block before');
    if (!same(header.dataHash, expected.dataHash)) throw broken(number, 'holds other transactions than its hash says');
    const entries = reading(() => entriesOf(metadata), number);
    const signed = entries[SIGNATURES] ?? new Uint8Array();
    const ordering = ordered(() => openOrdering(header, signed, channel.orderer), number);
    if (ordering.at < committer.at) throw broken(number, 'is older than the block before');
    this.#define(ordering, number);
    const transactions = reading(() => envelopes.map(readTransaction), number);
    const judged = committer.judge(transactions, ordering);
    const verdicts = entries[TRANSACTIONS_FILTER] ?? new Uint8Array();
    if (!same(verdicts, judged.codes)) throw broken(number, 'has other verdicts than its transactions deserve');
    const own = makeMetadata(signed, judged.codes, judged.commitHash);
    if (!same(entries[COMMIT_HASH] ?? new Uint8Array(), entriesOf(own)[COMMIT_HASH] as Uint8Array))
      throw broken(number, 'leads to another state');
    if (!same(metadata, own)) throw broken(number, 'says more than a block has to say');
    return judged;
  }

  #define({ definition }: Ordering, number: number): void {
    const { channel } = this.#options;
    if (number === 0 && !definition) throw broken(number, 'defines no channel');
    if (!definition) return;
    try {
      channel.adoptForeign(definition);
    } catch (cause) {
      throw broken(number, `defines a channel that cannot be agreed to: ${(cause as Error).message}`, cause);
    }
  }

  #requireSame({ header }: ReceivedBlock): void {
    if (same(headerHash(header), this.#options.committer.lastHash)) return;
    throw broken(header.number, 'is not the one it was before');
  }

  /** Stops for good when the upstream is wrong; everything else passes. */
  #stumble(error: unknown): void {
    const { committer, onBroken, onTrouble } = this.#options;
    const { signal } = this.#ended;
    if (signal.aborted) return;
    if (!(error instanceof EmbeddedError && error.code === 'CHAIN_BROKEN')) {
      onTrouble(error as Error);
      return;
    }
    this.#fault = error;
    const reason = new RpcError(status.UNAVAILABLE, `the follower has stopped (CHAIN_BROKEN): ${error.message}`);
    this.#ended.abort(reason);
    this.#caughtUp.reject(error);
    committer.halt(reason);
    onBroken(error);
  }
}

function broken(number: number, what: string, cause?: unknown): EmbeddedError {
  const message = `Block ${number} of the upstream ${what}`;
  return new EmbeddedError('CHAIN_BROKEN', message, cause === undefined ? {} : { cause });
}

/** @throws EmbeddedError CHAIN_BROKEN */
function ordered(open: () => Ordering, number: number): Ordering {
  try {
    return open();
  } catch (cause) {
    throw broken(number, 'is not signed by the orderer', cause);
  }
}

/** @throws EmbeddedError CHAIN_BROKEN */
function reading<T>(read: () => T, number: number): T {
  try {
    return read();
  } catch (cause) {
    throw broken(number, 'cannot be read', cause);
  }
}

function entriesOf(metadata: Uint8Array): Uint8Array[] {
  return read.blockMetadata(metadata).getMetadataList_asU8();
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

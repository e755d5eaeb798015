import type { Connection } from '@yilian/ledger';

/** Transactions whose commit is remembered. */
const REMEMBERED = 50_000;

/**
 * When a node committed its blocks: the moments, of `performance.now()`, that {@link distant} counts from. One for a node,
 * watching through a connection without distance.
 */
export class Commits implements AsyncDisposable {
  readonly #first: number;
  readonly #times: number[] = [];
  /** By transaction; the oldest first. */
  readonly #transactions = new Map<string, number>();
  readonly #waiting = new Map<string, PromiseWithResolvers<number>>();
  readonly #close: () => void;
  readonly #watching: Promise<void>;
  #isClosed = false;

  private constructor(blocks: Blocks, first: number) {
    this.#first = first;
    this.#close = () => blocks.close();
    this.#watching = this.#watch(blocks);
    this.#watching.catch(() => undefined);
  }

  /** @param height number of blocks that are there already, whose commit is long ago */
  static async watch(connection: Connection, channel: string, height: number): Promise<Commits> {
    return new Commits(
      await connection.network(channel).getFilteredBlockEvents({ startBlock: BigInt(height) }),
      height,
    );
  }

  /** When the node committed a block. One that it has, but that was not seen here yet, was committed just now. */
  timeOf(block: number): number {
    if (block < this.#first) return Number.NEGATIVE_INFINITY;
    return this.#times[block - this.#first] ?? performance.now();
  }

  /** When the node committed a transaction, valid or not; resolves once it has. */
  async committed(transactionId: string): Promise<number> {
    const time = this.#transactions.get(transactionId);
    if (time !== undefined) return time;
    const waiting = this.#waiting.get(transactionId) ?? Promise.withResolvers<number>();
    this.#waiting.set(transactionId, waiting);
    return waiting.promise;
  }

  /** @throws what ended the watch before */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#close();
    await this.#watching;
  }

  async #watch(blocks: Blocks): Promise<void> {
    try {
      for await (const block of blocks) {
        const now = performance.now();
        this.#times[block.getNumber() - this.#first] = now;
        for (const transaction of block.getFilteredTransactionsList()) this.#note(transaction.getTxid(), now);
      }
    } catch (error) {
      if (!this.#isClosed) throw error;
    }
  }

  #note(transactionId: string, now: number): void {
    this.#transactions.set(transactionId, now);
    this.#waiting.get(transactionId)?.resolve(now);
    this.#waiting.delete(transactionId);
    const [oldest] = this.#transactions.keys();
    if (this.#transactions.size > REMEMBERED && oldest !== undefined) this.#transactions.delete(oldest);
  }
}

type Blocks = Awaited<ReturnType<ReturnType<Connection['network']>['getFilteredBlockEvents']>>;

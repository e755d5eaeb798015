import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { diskError } from './disk-error.ts';

const SQLITE_BUSY = 5;
const RETRY_MS = 10;

/**
 * Any number of writers, in any number of processes, or one collector of garbage. Held through SQLite's file locks,
 * which the operating system lets go when a process dies.
 */
export class WriteGate {
  readonly #writers: DatabaseSync;
  readonly #collector: DatabaseSync;
  #inside = 0;

  constructor(path: string) {
    try {
      this.#writers = new DatabaseSync(path);
      this.#collector = new DatabaseSync(path);
    } catch (cause) {
      throw diskError(cause);
    }
  }

  /** Waits for a collector, then keeps collectors out until disposed. */
  async enter(signal?: AbortSignal): Promise<Disposable> {
    while (this.#inside === 0 && !take(this.#writers, 'BEGIN; SELECT * FROM sqlite_schema')) {
      await delay(RETRY_MS);
      signal?.throwIfAborted();
    }
    this.#inside += 1;
    return {
      [Symbol.dispose]: () => {
        this.#inside -= 1;
        if (this.#inside === 0) this.#writers.exec('COMMIT');
      },
    };
  }

  /** Keeps everybody else out until disposed; `null` when somebody is inside. */
  tryCollect(): Disposable | null {
    if (this.#collector.isTransaction || !take(this.#collector, 'BEGIN EXCLUSIVE')) return null;
    return { [Symbol.dispose]: () => this.#collector.exec('COMMIT') };
  }

  close(): void {
    this.#writers.close();
    this.#collector.close();
  }
}

function take(db: DatabaseSync, sql: string): boolean {
  try {
    db.exec(sql);
    return true;
  } catch (cause) {
    if (db.isTransaction) db.exec('ROLLBACK');
    if ((cause as { errcode?: unknown }).errcode === SQLITE_BUSY) return false;
    throw diskError(cause);
  }
}

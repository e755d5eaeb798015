import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { DeployError } from './errors.ts';

const SQLITE_BUSY = 5;
const RETRY_MS = 20;

/** A lock between processes. The system lets it go when the process that holds it ends, however it ends. */
export class FileLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Nothing when another process holds it. @throws DeployError STATE_UNUSABLE */
  static tryTake(file: string): FileLock | undefined {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(file);
      database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
      return new FileLock(database);
    } catch (cause) {
      database?.close();
      if ((cause as { errcode?: unknown }).errcode === SQLITE_BUSY) return undefined;
      throw new DeployError('STATE_UNUSABLE', `cannot lock ${file}`, { cause });
    }
  }

  /** Waits for it. @throws the signal's reason */
  static async take(file: string, signal?: AbortSignal): Promise<FileLock> {
    for (;;) {
      const lock = FileLock.tryTake(file);
      if (lock !== undefined) return lock;
      await delay(RETRY_MS, undefined, { signal });
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

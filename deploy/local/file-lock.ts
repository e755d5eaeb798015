import { closeSync, openSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { DeployError } from './errors.ts';

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
const RETRY_MS = 20;

/** A lock between processes. The system lets it go when the process that holds it ends, however it ends. */
export class FileLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Nothing when another process holds it. @throws DeployError STATE_UNUSABLE DISK_FULL */
  static tryTake(file: string): FileLock | undefined {
    let database: DatabaseSync | undefined;
    try {
      closeSync(openSync(file, 'a', 0o600));
      database = new DatabaseSync(file);
      database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
      return new FileLock(database);
    } catch (cause) {
      database?.close();
      const { errcode } = cause as { errcode?: unknown };
      if (errcode === SQLITE_BUSY) return undefined;
      if (errcode === SQLITE_FULL || isFull(dirname(file)))
        throw new DeployError('DISK_FULL', `no space is left for ${file}`, { cause });
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

/** SQLite does not always say why it could not write. */
function isFull(folder: string): boolean {
  try {
    return statfsSync(folder).bavail === 0;
  } catch {
    return false;
  }
}

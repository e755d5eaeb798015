import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isFull } from '@yilian/service';
import { PseudonymError } from './errors.ts';

const KEY_BYTES = 32;

/** One pseudonym given: when, to whom, on what evidence. Never the number, never the pseudonym. */
export interface AuditLine {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly region: string;
  readonly mspId: string;
  readonly system: string;
  readonly evidence: string;
  /** HMAC of the pseudonym, by which the authority alone can tell whether two lines are about one person. */
  readonly tag: string;
}

/** The folder of a pseudonym authority: its key, its audit log, and the requests it has seen. */
export class Books implements AsyncDisposable {
  readonly key: Uint8Array;
  readonly #audit: FileHandle;
  readonly #database: DatabaseSync;
  /** The line being written: the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(key: Uint8Array, audit: FileHandle, database: DatabaseSync) {
    this.key = key;
    this.#audit = audit;
    this.#database = database;
  }

  /** @throws DISK_FULL; CONFIG_INVALID for a key that is damaged or that others may read */
  static async open(folder: string): Promise<Books> {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const key = openKey(folder);
      const database = new DatabaseSync(join(folder, 'requests.db'));
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
        CREATE TABLE IF NOT EXISTS requests (id TEXT PRIMARY KEY, forget_at INTEGER NOT NULL) STRICT, WITHOUT ROWID`);
      return new Books(key, await open(join(folder, 'audit.log'), 'a', 0o600), database);
    } catch (cause) {
      throw isFull(cause) ? diskFull(cause) : cause;
    }
  }

  /** Notes a request; false when it came before, also before a restart. @throws DISK_FULL */
  first(id: string, at: number, forgetAt: number): boolean {
    try {
      this.#database.prepare('DELETE FROM requests WHERE forget_at < ?').run(at);
      return this.#database.prepare('INSERT OR IGNORE INTO requests VALUES (?, ?)').run(id, forgetAt).changes === 1;
    } catch (cause) {
      throw isFull(cause) ? diskFull(cause) : cause;
    }
  }

  /** Returns when the disk has the whole line. @throws DISK_FULL AUDIT_UNAVAILABLE, and no part of it stays */
  log(line: AuditLine): Promise<void> {
    const written = this.#last.then(() => this.#append(`${JSON.stringify(line)}\n`));
    this.#last = written.catch(() => undefined);
    return written;
  }

  async #append(text: string): Promise<void> {
    try {
      const { size } = await this.#audit.stat();
      try {
        await this.#audit.appendFile(text);
        await this.#audit.datasync();
      } catch (error) {
        await this.#audit.truncate(size);
        throw error;
      }
    } catch (cause) {
      if (isFull(cause)) throw diskFull(cause);
      throw new PseudonymError('AUDIT_UNAVAILABLE', 'nothing is given out that cannot be logged', { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    this.key.fill(0);
    this.#database.close();
    await this.#audit.close();
  }
}

/** The PRF key, made the first time; a crash leaves a whole key or none. */
function openKey(folder: string): Uint8Array {
  const file = join(folder, 'prf.key');
  if (!existsSync(file)) {
    const fresh = `${file}.new`;
    try {
      sync(openSync(fresh, 'w', 0o600), (handle) => writeFileSync(handle, randomBytes(KEY_BYTES)));
      renameSync(fresh, file);
      sync(openSync(folder, 'r'), () => undefined);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw error;
    }
  }
  if ((statSync(file).mode & 0o077) !== 0)
    throw new PseudonymError('CONFIG_INVALID', 'the PRF key must be readable by its owner alone (0600)');
  const key = readFileSync(file);
  if (key.length !== KEY_BYTES) throw new PseudonymError('CONFIG_INVALID', 'the PRF key is damaged');
  return key;
}

function sync(handle: number, act: (handle: number) => unknown): void {
  try {
    act(handle);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function diskFull(cause: unknown): PseudonymError {
  return new PseudonymError('DISK_FULL', 'there is no room on the disk', { cause });
}

import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type Cid, digestOf } from './cid.ts';
import { diskError, isLocked } from './disk-error.ts';
import { VaultError } from './vault-error.ts';

const VERSION = 1;
const LOCK_TIMEOUT_MS = 5_000;
const LOCK_PAUSE_MS = 5;
const SCHEMA = `
  CREATE TABLE pin (id INTEGER PRIMARY KEY, cid TEXT NOT NULL UNIQUE, size_bytes INTEGER NOT NULL) STRICT;
  CREATE TABLE block (digest BLOB NOT NULL, pin INTEGER NOT NULL, PRIMARY KEY (digest, pin)) STRICT, WITHOUT ROWID;
  CREATE INDEX block_of_pin ON block (pin);
  CREATE TABLE change (id INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;
  PRAGMA user_version = ${VERSION};
`;

/** A file kept whole. */
export interface Pin {
  cid: Cid;
  sizeBytes: number;
}

/** What is pinned, and which blocks each pin needs. A `change` that is never finished marks blocks that may belong to nobody. */
export class PinBook {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** `mayCreate`: whether a folder without a list of pins is a new one. @throws STORE_DAMAGED DISK_FULL UNAVAILABLE */
  constructor(path: string, mayCreate: boolean) {
    try {
      this.#db = new DatabaseSync(path, { timeout: LOCK_TIMEOUT_MS });
      this.#writeAhead();
      this.#transact(() => this.#prepareSchema(mayCreate));
    } catch (cause) {
      throw diskError(cause);
    }
  }

  /** Whoever makes the file needs it alone for this, and SQLite, which waits for other locks, does not wait for that one. */
  #writeAhead(): void {
    const until = performance.now() + LOCK_TIMEOUT_MS;
    for (;;) {
      try {
        this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
        return;
      } catch (error) {
        if (!isLocked(error) || performance.now() > until) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_PAUSE_MS);
      }
    }
  }

  #prepareSchema(mayCreate: boolean): void {
    const version = this.#all<{ user_version: number }>('PRAGMA user_version')[0]?.user_version;
    if (version === VERSION) return;
    if (version !== 0) throw new VaultError('STORE_DAMAGED', `a list of pins of version ${version}`);
    if (!mayCreate) throw new VaultError('STORE_DAMAGED', 'there are blocks but no list of pins');
    this.#db.exec(SCHEMA);
  }

  /** Marks that blocks are about to be written or let go. */
  begin(): number {
    return Number(this.#run('INSERT INTO change DEFAULT VALUES').lastInsertRowid);
  }

  /** Pins, and ends the change, in one step. */
  pin(change: number, cid: Cid, sizeBytes: number, blocks: Iterable<Cid>): void {
    this.#transact(() => {
      this.#forget(cid);
      const id = this.#run('INSERT INTO pin (cid, size_bytes) VALUES (?, ?)', cid, sizeBytes).lastInsertRowid;
      for (const block of blocks)
        this.#run('INSERT INTO block (digest, pin) VALUES (?, ?) ON CONFLICT DO NOTHING', digestOf(block), id);
      this.#run('DELETE FROM change WHERE id = ?', change);
    });
  }

  /** Lets go and begins a change for the blocks, which may be nobody's now. */
  unpin(cid: Cid): { change: number; digests: Uint8Array[] } {
    return this.#transact(() => {
      const rows = this.#all<{ digest: Uint8Array }>(
        'SELECT digest FROM block WHERE pin = (SELECT id FROM pin WHERE cid = ?)',
        cid,
      );
      this.#forget(cid);
      return { change: this.begin(), digests: rows.map((row) => row.digest) };
    });
  }

  #forget(cid: Cid): void {
    this.#run('DELETE FROM block WHERE pin = (SELECT id FROM pin WHERE cid = ?)', cid);
    this.#run('DELETE FROM pin WHERE cid = ?', cid);
  }

  sizeOf(cid: Cid): number | undefined {
    return this.#all<Pin>('SELECT size_bytes AS sizeBytes FROM pin WHERE cid = ?', cid)[0]?.sizeBytes;
  }

  needs(digest: Uint8Array): boolean {
    return this.#all('SELECT 1 FROM block WHERE digest = ? LIMIT 1', digest).length > 0;
  }

  all(): Pin[] {
    return this.#all<Pin>('SELECT cid, size_bytes AS sizeBytes FROM pin ORDER BY id').map((row) => ({ ...row }));
  }

  /** Changes begun and not ended, by anybody. */
  changes(): number[] {
    return this.#all<{ id: number }>('SELECT id FROM change').map((row) => row.id);
  }

  end(changes: readonly number[]): void {
    this.#transact(() => {
      for (const change of changes) this.#run('DELETE FROM change WHERE id = ?', change);
    });
  }

  close(): void {
    this.#db.close();
  }

  #transact<T>(work: () => T): T {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (cause) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw diskError(cause);
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: (string | number | bigint | Uint8Array)[]) {
    try {
      return this.#statement(sql).run(...values);
    } catch (cause) {
      throw diskError(cause);
    }
  }

  #all<Row = unknown>(sql: string, ...values: (string | number | Uint8Array)[]): Row[] {
    try {
      return this.#statement(sql).all(...values) as Row[];
    } catch (cause) {
      throw diskError(cause);
    }
  }
}

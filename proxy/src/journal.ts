import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ChainPosition } from '@yilian/regional-chain';
import { onDisk } from './disk.ts';
import { openDatabase } from './grant-book.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS envelopes (id TEXT PRIMARY KEY, forget_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS forgettable ON envelopes (forget_at);
CREATE TABLE IF NOT EXISTS senders (certificate TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leaves (position INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS chain (one INTEGER PRIMARY KEY CHECK (one = 1), block INTEGER NOT NULL,
  transaction_id TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
`;
/** Envelopes overtake each other on their way; one that is further behind is none of now. */
const SEQUENCE_WINDOW = 100_000;
const FORGET_EVERY = 256;

/** What can be had again: envelopes that came, and the outcomes of the chain up to where it was read. */
export class Journal {
  readonly #database: DatabaseSync;
  readonly #see: StatementSync;
  readonly #highest: StatementSync;
  readonly #raise: StatementSync;
  readonly #append: StatementSync;
  readonly #advance: StatementSync;
  #seen = 0;

  constructor(file: string) {
    const database = openDatabase(file, SCHEMA, false);
    this.#database = database;
    this.#see = database.prepare('INSERT OR IGNORE INTO envelopes VALUES (?, ?)');
    this.#highest = database.prepare('SELECT sequence FROM senders WHERE certificate = ?');
    this.#raise = database.prepare(
      'INSERT INTO senders VALUES (?1, ?2) ON CONFLICT DO UPDATE SET sequence = max(sequence, ?2)',
    );
    this.#append = database.prepare('INSERT INTO leaves (hash) VALUES (?)');
    this.#advance = database.prepare('INSERT OR REPLACE INTO chain VALUES (1, ?, ?, ?)');
  }

  /** Notes an envelope. False when it came before, or is far behind others of the same certificate. @throws DISK_FULL */
  accept(envelope: {
    readonly id: string;
    /** Fingerprint of the sender's certificate. */
    readonly certificate: string;
    readonly sequence: number;
    readonly forgetAt: number;
    readonly at: number;
  }): boolean {
    const { id, certificate, sequence, forgetAt, at } = envelope;
    const highest = Number(this.#highest.get(certificate)?.['sequence'] ?? 0);
    if (sequence < highest - SEQUENCE_WINDOW) return false;
    return this.#atOnce(() => {
      if (this.#see.run(id, forgetAt).changes === 0) return false;
      this.#raise.run(certificate, sequence);
      this.#seen += 1;
      if (this.#seen % FORGET_EVERY === 0) this.#database.prepare('DELETE FROM envelopes WHERE forget_at < ?').run(at);
      return true;
    });
  }

  /** Up to where the chain was read, and the newest time it had dated. */
  position(): (ChainPosition & { readonly time: number }) | undefined {
    const row = this.#database.prepare('SELECT block, transaction_id, time FROM chain').get();
    if (row === undefined) return undefined;
    return { block: Number(row['block']), transactionId: String(row['transaction_id']), time: Number(row['time']) };
  }

  leaves(): Uint8Array[] {
    const rows = this.#database.prepare('SELECT hash FROM leaves ORDER BY position').all();
    return rows.map((row) => row['hash'] as Uint8Array);
  }

  /** Marks the chain as read up to `position`, whose event made `leaf` when it was an outcome. @throws DISK_FULL */
  advance(position: ChainPosition, time: number, leaf?: Uint8Array): void {
    this.#atOnce(() => {
      if (leaf !== undefined) this.#append.run(leaf);
      this.#advance.run(position.block, position.transactionId, time);
    });
  }

  close(): void {
    this.#database.close();
  }

  /** All of it is written, or nothing. */
  #atOnce<T>(write: () => T): T {
    return onDisk(() => {
      this.#database.exec('BEGIN');
      try {
        const result = write();
        this.#database.exec('COMMIT');
        return result;
      } catch (error) {
        // SQLite may have ended the transaction itself, for want of room.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }
}

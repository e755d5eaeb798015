import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { EmbeddedError } from './errors.ts';
import type { Updates, Version, Write } from './rwset.ts';

/** A value of the world state. */
export interface StateRow {
  readonly key: string;
  readonly value: Buffer;
  readonly version: Version;
}

/** A block as it is kept: header and metadata are their protobuf bytes, the envelopes lie beside. */
export interface BlockRecord {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly header: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface TransactionRecord {
  readonly txId: string;
  readonly block: number;
  readonly position: number;
  /** `peer.TxValidationCode` */
  readonly code: number;
  readonly envelope: Uint8Array;
}

/** One valid transaction's writes to one chaincode, for the history. */
export interface HistoryEntry {
  readonly namespace: string;
  readonly position: number;
  readonly writes: readonly Write[];
}

export interface Append {
  readonly block: BlockRecord;
  readonly transactions: readonly TransactionRecord[];
  readonly updates: Updates;
  readonly history: readonly HistoryEntry[];
  readonly commitHash: Uint8Array;
  /** Epoch milliseconds at which it was judged. */
  readonly at: number;
  /** In force from this block on. */
  readonly definition: string;
}

export interface StoreOptions {
  /** A folder, made when missing, or `:memory:`. */
  readonly folder: string;
  readonly network: string;
  readonly channel: string;
  /** The file grows no further than this. */
  readonly maxBytes?: number | undefined;
}

const FORMAT = 2;
const PAGE_BYTES = 4096;
const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, header BLOB NOT NULL, metadata BLOB NOT NULL) STRICT;
  CREATE UNIQUE INDEX block_hash ON blocks (hash);
  CREATE TABLE transactions (block INTEGER NOT NULL, position INTEGER NOT NULL, txid TEXT NOT NULL,
    code INTEGER NOT NULL, envelope BLOB NOT NULL) STRICT;
  CREATE UNIQUE INDEX transaction_place ON transactions (block, position);
  CREATE INDEX transaction_id ON transactions (txid, block, position);
  CREATE TABLE state (namespace TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
    block INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (namespace, key)) STRICT, WITHOUT ROWID;
  CREATE TABLE history (namespace TEXT NOT NULL, key BLOB NOT NULL, block INTEGER NOT NULL,
    position INTEGER NOT NULL, PRIMARY KEY (namespace, key, block, position)) STRICT, WITHOUT ROWID;
`;

type Row = Record<string, unknown>;

/** Blocks, world state and history in one SQLite file that one process holds. One block is one transaction on disk. */
export class Store {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** @throws EmbeddedError STORE_LOCKED, STORE_CORRUPT, STORE_MISMATCH, STORE_FAILED */
  constructor({ folder, network, channel, maxBytes }: StoreOptions) {
    try {
      if (folder !== ':memory:') mkdirSync(folder, { recursive: true, mode: 0o700 });
      const file = folder === ':memory:' ? folder : join(folder, 'ledger.sqlite');
      this.#db = new DatabaseSync(file);
      if (file !== ':memory:') chmodSync(file, 0o600);
    } catch (cause) {
      throw storeError(cause);
    }
    try {
      this.#db.exec(`
        PRAGMA page_size = ${PAGE_BYTES};
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA cache_size = -65536;
        BEGIN EXCLUSIVE;
      `);
      const { user_version: format } = this.#get('PRAGMA user_version') as { user_version: number };
      if (format === 0) {
        this.#db.exec(`${SCHEMA} PRAGMA user_version = ${FORMAT};`);
        this.#setMeta('network', Buffer.from(network));
        this.#setMeta('channel', Buffer.from(channel));
      }
      this.#db.exec('COMMIT');
      this.#requireSame('format', String(FORMAT), String(format || FORMAT));
      this.#requireSame('network', network, this.meta('network')?.toString());
      this.#requireSame('channel', channel, this.meta('channel')?.toString());
      if (maxBytes !== undefined) this.#db.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / PAGE_BYTES)}`);
    } catch (cause) {
      this.#db.close();
      throw storeError(cause);
    }
  }

  meta(name: string): Buffer | undefined {
    return blob(this.#get('SELECT value FROM meta WHERE name = ?', name)?.['value']);
  }

  /** Number of blocks. */
  height(): number {
    return Number(this.#get('SELECT coalesce(max(number) + 1, 0) AS height FROM blocks')?.['height']);
  }

  /**
   * Writes a block, its state and history, and returns when the disk has them, all or nothing.
   * @throws EmbeddedError STORE_FULL, STORE_CORRUPT, STORE_FAILED
   */
  append({ block, transactions, updates, history, commitHash, at, definition }: Append): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      this.#run('INSERT INTO blocks VALUES (?, ?, ?, ?)', block.number, block.hash, block.header, block.metadata);
      for (const { position, txId, code, envelope } of transactions) {
        this.#run('INSERT INTO transactions VALUES (?, ?, ?, ?, ?)', block.number, position, txId, code, envelope);
      }
      for (const [namespace, keys] of updates) {
        for (const [key, { value, version }] of keys) {
          if (value === null)
            this.#run('DELETE FROM state WHERE namespace = ? AND key = ?', namespace, Buffer.from(key));
          else {
            const row = [namespace, Buffer.from(key), value, version.block, version.position] as const;
            this.#run('INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)', ...row);
          }
        }
      }
      for (const { namespace, position, writes } of history) {
        for (const { key } of writes) {
          this.#run('INSERT INTO history VALUES (?, ?, ?, ?)', namespace, Buffer.from(key), block.number, position);
        }
      }
      this.#setMeta('commitHash', commitHash);
      this.#setMeta('at', Buffer.from(String(at)));
      this.#setMeta('definition', Buffer.from(definition));
      this.#db.exec('COMMIT');
    } catch (cause) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw storeError(cause);
    }
  }

  get(namespace: string, key: string): StateRow | undefined {
    const sql = 'SELECT key, value, block, position FROM state WHERE namespace = ? AND key = ?';
    const row = this.#get(sql, namespace, Buffer.from(key));
    return row && stateRow(row);
  }

  /** Rows from `start` (exclusive when `after`) up to `end`, which is excluded unless `inclusive`; '' has no end. */
  range(
    namespace: string,
    bounds: { start: string; after?: boolean; end: string; inclusive?: boolean; limit: number },
  ): StateRow[] {
    const { start, after = false, end, inclusive = false, limit } = bounds;
    const upper = end === '' ? '' : `AND key ${inclusive ? '<=' : '<'} ?`;
    const sql = `SELECT key, value, block, position FROM state
      WHERE namespace = ? AND key ${after ? '>' : '>='} ? ${upper} ORDER BY key LIMIT ?`;
    const ends = end === '' ? [] : [Buffer.from(end)];
    return this.#all(sql, namespace, Buffer.from(start), ...ends, limit).map(stateRow);
  }

  /** Valid transactions that wrote a key, newest first. */
  history(namespace: string, key: string, limit: number, before?: Version): TransactionRecord[] {
    const { block, position } = before ?? { block: Number.MAX_SAFE_INTEGER, position: 0 };
    const sql = `SELECT t.txid, t.block, t.position, t.code, t.envelope FROM history h JOIN transactions t
      ON t.block = h.block AND t.position = h.position WHERE h.namespace = ? AND h.key = ?
      AND (h.block, h.position) < (?, ?) ORDER BY h.block DESC, h.position DESC LIMIT ?`;
    return this.#all(sql, namespace, Buffer.from(key), block, position, limit).map(transactionRecord);
  }

  /** The first transaction with an id: a repeated one is in its block, but counts for nothing. */
  transaction(txId: string): TransactionRecord | undefined {
    const sql = `SELECT txid, block, position, code, envelope FROM transactions WHERE txid = ?
      ORDER BY block, position LIMIT 1`;
    const row = this.#get(sql, txId);
    return row && transactionRecord(row);
  }

  block(number: number): BlockRecord | undefined {
    const row = this.#get('SELECT number, hash, header, metadata FROM blocks WHERE number = ?', number);
    return row && blockRecord(row);
  }

  blockByHash(hash: Uint8Array): BlockRecord | undefined {
    const row = this.#get('SELECT number, hash, header, metadata FROM blocks WHERE hash = ?', hash);
    return row && blockRecord(row);
  }

  transactionsOf(block: number): TransactionRecord[] {
    const sql = 'SELECT txid, block, position, code, envelope FROM transactions WHERE block = ? ORDER BY position';
    return this.#all(sql, block).map(transactionRecord);
  }

  /** Whether the history has a write, and nothing after it; for the audit. */
  isWritten(namespace: string, key: string, { block, position }: Version): 'last' | 'earlier' | undefined {
    const sql = `SELECT EXISTS (SELECT 1 FROM history WHERE namespace = ?1 AND key = ?2 AND block = ?3 AND position = ?4) AS here,
      EXISTS (SELECT 1 FROM history WHERE namespace = ?1 AND key = ?2 AND (block, position) > (?3, ?4)) AS later`;
    const row = this.#get(sql, namespace, Buffer.from(key), block, position);
    if (row?.['here'] !== 1) return undefined;
    return row['later'] === 1 ? 'earlier' : 'last';
  }

  /** Rows of a table, for the audit. */
  count(table: 'history' | 'state' | 'transactions'): number {
    return Number(this.#get(`SELECT count(*) AS rows FROM ${table}`)?.['rows']);
  }

  /** What SQLite's own check finds wrong with the file. */
  fileFaults(): string[] {
    const rows = this.#all('PRAGMA integrity_check(10)').map((row) => String(row['integrity_check']));
    return rows.filter((text) => text !== 'ok');
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #requireSame(what: string, expected: string, found: string | undefined): void {
    if (found === expected) return;
    throw new EmbeddedError('STORE_MISMATCH', `Store has ${what} ${found}, not ${expected}`);
  }

  #setMeta(name: string, value: Uint8Array): void {
    this.#run('INSERT OR REPLACE INTO meta VALUES (?, ?)', name, value);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #get(sql: string, ...values: (string | number | Uint8Array)[]): Row | undefined {
    return this.#guard(() => this.#statement(sql).get(...values) as Row | undefined);
  }

  #all(sql: string, ...values: (string | number | Uint8Array)[]): Row[] {
    return this.#guard(() => this.#statement(sql).all(...values) as Row[]);
  }

  #run(sql: string, ...values: (string | number | Uint8Array)[]): void {
    this.#statement(sql).run(...values);
  }

  #guard<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw storeError(cause);
    }
  }
}

/** SQLite's result codes, of which the lowest byte is the kind. */
const BUSY = 5;
const CORRUPT = 11;
const FULL = 13;
const NOT_A_DATABASE = 26;

function storeError(cause: unknown): EmbeddedError {
  if (cause instanceof EmbeddedError) return cause;
  const kind = Number((cause as { errcode?: number }).errcode ?? 0) & 0xff;
  if (kind === BUSY) return new EmbeddedError('STORE_LOCKED', 'Another process or node holds this store', { cause });
  if (kind === FULL) return new EmbeddedError('STORE_FULL', 'The disk or the quota of the store is full', { cause });
  if (kind === CORRUPT || kind === NOT_A_DATABASE)
    return new EmbeddedError('STORE_CORRUPT', 'The file of the store is damaged', { cause });
  return new EmbeddedError('STORE_FAILED', 'The store could not be read or written', { cause });
}

function blob(value: unknown): Buffer | undefined {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : undefined;
}

function stateRow(row: Row): StateRow {
  return {
    key: (blob(row['key']) as Buffer).toString(),
    value: blob(row['value']) as Buffer,
    version: { block: Number(row['block']), position: Number(row['position']) },
  };
}

function blockRecord(row: Row): BlockRecord {
  return {
    number: Number(row['number']),
    hash: blob(row['hash']) as Buffer,
    header: blob(row['header']) as Buffer,
    metadata: blob(row['metadata']) as Buffer,
  };
}

function transactionRecord(row: Row): TransactionRecord {
  return {
    txId: String(row['txid']),
    block: Number(row['block']),
    position: Number(row['position']),
    code: Number(row['code']),
    envelope: blob(row['envelope']) as Buffer,
  };
}

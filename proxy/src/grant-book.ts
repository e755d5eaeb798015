import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import type { Revocation, SignedBy } from '@yilian/protocol';
import { onDisk } from './disk.ts';
import { ProxyError } from './errors.ts';

/** One scope a grant covers, with the key its fragments re-encrypt from. */
export interface GrantedScope {
  readonly scope: string;
  readonly epoch: number;
  /** Base64url point. */
  readonly key: string;
}

/** A grant that names this proxy. Times are epoch milliseconds. */
export interface BookedGrant {
  readonly grantId: string;
  readonly commitment: string;
  readonly pseudonym: string;
  /** The patient's, base64url point: what a revocation must be signed with, although the chain be out of reach. */
  readonly signingKey: string;
  readonly receivingKey: string;
  readonly notAfter: number;
  readonly scopes: readonly GrantedScope[];
}

/** `held`: fragments are here and may be used. `stopped`: never again, and not yet destroyed. `destroyed`: gone. */
type GrantStage = 'held' | 'stopped' | 'destroyed';

export interface GrantRow extends BookedGrant {
  readonly stage: GrantStage;
  readonly acknowledged: boolean;
  readonly revocation?: SignedBy<typeof Revocation>;
  readonly destroyedAt?: number;
  /** Whether the chain has the destruction receipt. */
  readonly receipted: boolean;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS grants (
  grant_id TEXT PRIMARY KEY, commitment TEXT NOT NULL, pseudonym TEXT NOT NULL, signing_key TEXT NOT NULL,
  receiving_key TEXT NOT NULL, not_after INTEGER NOT NULL, scopes TEXT NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('held', 'stopped', 'destroyed')),
  fragments BLOB, acknowledged INTEGER NOT NULL DEFAULT 0, revocation TEXT, destroyed_at INTEGER,
  receipted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unfinished ON grants (stage, acknowledged, receipted);
CREATE INDEX IF NOT EXISTS ends ON grants (not_after) WHERE stage = 'held';
`;
const UNFINISHED = `SELECT * FROM grants WHERE stage = 'stopped' OR (stage = 'destroyed' AND receipted = 0)
  OR (stage = 'held' AND acknowledged = 0)`;

/** Opens a database that no crash leaves half written; `durable`: nor does a power cut. @throws STORE_BROKEN DISK_FULL */
export function openDatabase(file: string, schema: string, durable: boolean): DatabaseSync {
  try {
    return onDisk(() => {
      const database = new DatabaseSync(file);
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'};
        PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 2000;`);
      database.exec(schema);
      return database;
    });
  } catch (cause) {
    if (cause instanceof ProxyError) throw cause;
    throw new ProxyError('STORE_BROKEN', 'the database cannot be opened', { cause });
  }
}

/**
 * What this proxy knows of the grants that name it: encrypted fragments, and what was and must still be done. Every write
 * is one statement, done or not done, and throws DISK_FULL when there is no room for it.
 */
export class GrantBook {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(file: string) {
    this.#database = openDatabase(file, SCHEMA, true);
  }

  get(grantId: string): GrantRow | undefined {
    const row = this.#prepared('SELECT * FROM grants WHERE grant_id = ?').get(grantId);
    return row && rowOf(row);
  }

  fragments(grantId: string): Uint8Array | undefined {
    const row = this.#prepared(`SELECT fragments FROM grants WHERE grant_id = ? AND stage = 'held'`).get(grantId);
    return row?.['fragments'] instanceof Uint8Array ? row['fragments'] : undefined;
  }

  hold(grant: BookedGrant, fragments: Uint8Array): void {
    this.#insert(grant, { stage: 'held', fragments });
  }

  /** Notes a grant whose fragments are not here and must never be taken. */
  refuse(grant: BookedGrant, revocation: SignedBy<typeof Revocation> | undefined, at: number): void {
    this.#insert(grant, { stage: 'destroyed', revocation, destroyedAt: at });
  }

  /** From here on the fragments are not used, whatever happens. */
  stop(grantId: string, revocation: SignedBy<typeof Revocation> | undefined): void {
    this.#write(
      `UPDATE grants SET stage = iif(stage = 'held', 'stopped', stage), revocation = coalesce(revocation, ?)
       WHERE grant_id = ?`,
      revocation === undefined ? null : JSON.stringify(revocation),
      grantId,
    );
  }

  /** Erases the fragments from the row, the free pages and the write-ahead log. */
  erase(grantId: string, at: number): void {
    this.#write(
      `UPDATE grants SET stage = 'destroyed', fragments = NULL, destroyed_at = coalesce(destroyed_at, ?)
       WHERE grant_id = ?`,
      at,
      grantId,
    );
    this.#truncate();
  }

  /** Forgets fragments whose key is lost: a restored database came without its keys. */
  forget(grantId: string): void {
    this.#write('DELETE FROM grants WHERE grant_id = ?', grantId);
    this.#truncate();
  }

  acknowledged(grantId: string): void {
    this.#write('UPDATE grants SET acknowledged = 1 WHERE grant_id = ?', grantId);
  }

  receipted(grantId: string): void {
    this.#write('UPDATE grants SET receipted = 1 WHERE grant_id = ?', grantId);
  }

  /** Grants whose fragments are in use. */
  held(): string[] {
    return this.#ids(this.#prepared(`SELECT grant_id FROM grants WHERE stage = 'held'`).all());
  }

  /** Some of the grants in use whose period is over at `at`. */
  ended(at: number): string[] {
    return this.#ids(
      this.#prepared(`SELECT grant_id FROM grants WHERE stage = 'held' AND not_after < ? LIMIT 64`).all(at),
    );
  }

  /** Grants about which something is still to be done here or on the chain. */
  unfinished(): GrantRow[] {
    return this.#prepared(UNFINISHED).all().map(rowOf);
  }

  count(): { readonly held: number; readonly unfinished: number } {
    const held = this.#prepared(`SELECT count(*) AS n FROM grants WHERE stage = 'held'`).get();
    const unfinished = this.#prepared(`SELECT count(*) AS n FROM (${UNFINISHED})`).get();
    return { held: Number(held?.['n']), unfinished: Number(unfinished?.['n']) };
  }

  close(): void {
    this.#database.close();
  }

  #insert(
    { grantId, commitment, pseudonym, signingKey, receivingKey, notAfter, scopes }: BookedGrant,
    kept: Pick<GrantRow, 'stage' | 'destroyedAt'> & {
      readonly fragments?: Uint8Array;
      readonly revocation?: SignedBy<typeof Revocation> | undefined;
    },
  ): void {
    const { stage, fragments = null, revocation, destroyedAt = null } = kept;
    this.#write(
      `INSERT INTO grants (grant_id, commitment, pseudonym, signing_key, receiving_key, not_after, scopes, stage,
         fragments, revocation, destroyed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      grantId,
      commitment,
      pseudonym,
      signingKey,
      receivingKey,
      notAfter,
      JSON.stringify(scopes),
      stage,
      fragments,
      revocation === undefined ? null : JSON.stringify(revocation),
      destroyedAt,
    );
  }

  #write(sql: string, ...values: SQLInputValue[]): void {
    onDisk(() => this.#prepared(sql).run(...values));
  }

  #truncate(): void {
    onDisk(() => this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  }

  #ids(rows: readonly Record<string, SQLOutputValue>[]): string[] {
    return rows.map((row) => String(row['grant_id']));
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}

function rowOf(row: Record<string, SQLOutputValue>): GrantRow {
  const revocation = row['revocation'];
  const destroyedAt = row['destroyed_at'];
  return {
    grantId: String(row['grant_id']),
    commitment: String(row['commitment']),
    pseudonym: String(row['pseudonym']),
    signingKey: String(row['signing_key']),
    receivingKey: String(row['receiving_key']),
    notAfter: Number(row['not_after']),
    scopes: JSON.parse(String(row['scopes'])) as GrantedScope[],
    stage: row['stage'] as GrantStage,
    acknowledged: row['acknowledged'] === 1,
    receipted: row['receipted'] === 1,
    ...(typeof revocation === 'string' && { revocation: JSON.parse(revocation) as SignedBy<typeof Revocation> }),
    ...(typeof destroyedAt === 'number' && { destroyedAt }),
  };
}

import type { Iterators } from 'fabric-shim';
import {
  compareKeys,
  decodeReadWriteSet,
  encodeReadWriteSet,
  type NamespaceSet,
  type RangeRead,
  type Read,
  type Version,
} from './rwset.ts';
import type { StateRow, Store } from './store.ts';
import { readAction, readTransaction } from './transaction.ts';

/** A page of a range and where the next one starts; '' when there is none. */
export interface Page {
  readonly rows: readonly StateRow[];
  readonly bookmark: string;
}

/** One change of a key. */
export type KeyModification = Iterators.KeyModification;

/** How many rows a peer hands to a contract at once, and reads ahead by one. */
const CHUNK = 100;
/** Fabric's totalQueryLimit. */
const MAX_ROWS = 100_000;

interface Recorded {
  readonly reads: Map<string, Version | null>;
  readonly ranges: Map<string, () => RangeRead>;
  readonly writes: Map<string, Uint8Array | null>;
}

/** What one endorser's execution of one transaction reads and would write. It reads what is committed, never its own writes. */
export class Simulation {
  readonly #store: Store;
  readonly #txId: string;
  readonly #namespaces = new Map<string, Recorded>();
  #over = false;
  #wrote = false;
  #paged = false;

  constructor(store: Store, txId: string) {
    this.#store = store;
    this.#txId = txId;
  }

  get(namespace: string, key: string): Buffer {
    const { reads } = this.#record(namespace);
    requireKey(key);
    const row = this.#store.get(namespace, key);
    reads.set(key, row?.version ?? null);
    return row?.value ?? Buffer.alloc(0);
  }

  /** An empty value deletes, as on Fabric. */
  put(namespace: string, key: string, value: Uint8Array): void {
    const { writes } = this.#record(namespace);
    requireKey(key);
    if (this.#paged)
      throw this.#unsupported('Transaction has already performed a paginated query. Writes are not allowed');
    this.#wrote = true;
    writes.set(key, value.length === 0 ? null : Uint8Array.from(value));
  }

  /** Rows of a range, fetched and recorded by the hundred. */
  range(namespace: string, start: string, end: string): () => StateRow | undefined {
    const { ranges } = this.#record(namespace);
    const reads: Read[] = [];
    let rows: StateRow[] = [];
    let cursor = 0;
    let exhausted = false;
    const fetch = (): void => {
      this.#requireOpen();
      const last = reads.at(-1)?.key;
      const limit = last === undefined ? CHUNK + 1 : CHUNK;
      const fetched = this.#store.range(namespace, { start: last ?? start, after: last !== undefined, end, limit });
      exhausted = fetched.length < limit;
      rows = [...rows.slice(cursor), ...fetched];
      cursor = 0;
      for (const { key, version } of fetched) reads.push({ key, version });
    };
    fetch();
    ranges.set(`${ranges.size}`, () => ({
      start,
      end: exhausted ? end : (reads.at(-1)?.key ?? end),
      exhausted,
      reads,
    }));
    let served = 0;
    return () => {
      if (!exhausted && cursor >= rows.length - 1) fetch();
      if (served >= MAX_ROWS) return undefined;
      served += 1;
      return rows[cursor++];
    };
  }

  page(namespace: string, start: string, end: string, { size, bookmark }: { size: number; bookmark: string }): Page {
    const { ranges } = this.#record(namespace);
    if (this.#wrote) throw this.#unsupported('Paginated queries are supported only in a read-only transaction');
    this.#paged = true;
    const limit = size > 0 && size < MAX_ROWS ? size : MAX_ROWS;
    const from = bookmark || start;
    const found = this.#store.range(namespace, { start: from, end, limit: limit + 1 });
    const rows = found.slice(0, limit);
    const exhausted = rows.length < limit;
    const reads = rows.map(({ key, version }) => ({ key, version }));
    const last = exhausted ? end : (rows.at(-1)?.key ?? end);
    ranges.set(`${ranges.size}`, () => ({ start: from, end: last, exhausted, reads }));
    return { rows, bookmark: found[limit]?.key ?? '' };
  }

  /** Committed changes of a key, newest first. Not part of what is checked again at commit, as on Fabric. */
  history(namespace: string, key: string): () => KeyModification | undefined {
    this.#requireOpen();
    let rows = this.#store.history(namespace, key, CHUNK);
    let cursor = 0;
    return () => {
      this.#requireOpen();
      if (cursor === rows.length && rows.length === CHUNK) {
        rows = this.#store.history(namespace, key, CHUNK, rows.at(-1));
        cursor = 0;
      }
      const row = rows[cursor++];
      if (!row) return undefined;
      const transaction = readTransaction(row.envelope);
      const set = decodeReadWriteSet(readAction(transaction).readWriteSet).find((one) => one.namespace === namespace);
      const value = set?.writes.find((write) => write.key === key)?.value ?? null;
      return {
        txId: row.txId,
        value: Buffer.from(value ?? []),
        isDelete: value === null,
        timestamp: transaction.timestamp as unknown as KeyModification['timestamp'],
      };
    };
  }

  /** Chaincodes whose state was touched, in byte order. */
  namespaces(): string[] {
    return [...this.#namespaces.keys()].sort(compareKeys);
  }

  /** Ends the simulation: a contract that goes on is refused everything. */
  close(): void {
    this.#over = true;
  }

  /** Ends the simulation. */
  readWriteSet(): Uint8Array {
    this.close();
    return encodeReadWriteSet(
      this.namespaces().map((namespace): NamespaceSet => {
        const { reads, ranges, writes } = this.#namespaces.get(namespace) as Recorded;
        const byKey = <T>(map: Map<string, T>) => [...map].sort(([a], [b]) => compareKeys(a, b));
        return {
          namespace,
          reads: byKey(reads).map(([key, version]) => ({ key, version })),
          ranges: unique([...ranges.values()].map((range) => range())),
          writes: byKey(writes).map(([key, value]) => ({ key, value })),
          unsupported: false,
        };
      }),
    );
  }

  #record(namespace: string): Recorded {
    this.#requireOpen();
    const known = this.#namespaces.get(namespace);
    if (known) return known;
    const recorded: Recorded = { reads: new Map(), ranges: new Map(), writes: new Map() };
    this.#namespaces.set(namespace, recorded);
    return recorded;
  }

  #requireOpen(): void {
    if (this.#over) throw new Error(`txid [${this.#txId}]: the transaction is over`);
  }

  #unsupported(why: string): Error {
    return new Error(`txid [${this.#txId}]: unsupported transaction. ${why}`);
  }
}

function requireKey(key: string): void {
  if (key === '') throw new Error('key must not be an empty string');
  if (!key.isWellFormed()) throw new Error('key is not valid UTF-8');
}

/** The same range read twice is recorded once. */
function unique(ranges: readonly RangeRead[]): RangeRead[] {
  return [
    ...new Map(ranges.map((range) => [JSON.stringify([range.start, range.end, range.exhausted]), range])).values(),
  ];
}

import { setImmediate } from 'node:timers/promises';
import {
  COMMIT_HASH,
  decodeHeader,
  headerBytes,
  headerHash,
  makeHeader,
  nextCommitHash,
  SIGNATURES,
  TRANSACTIONS_FILTER,
} from './block.ts';
import type { Channel } from './config.ts';
import { encodeDefinition } from './definition.ts';
import { EmbeddedError } from './errors.ts';
import { type Ordering, openOrdering } from './ordering.ts';
import { decodeReadWriteSet, encodeUpdates, type KeyUpdates, sameVersion, type Updates } from './rwset.ts';
import type { Store, TransactionRecord } from './store.ts';
import { readAction, readTransaction } from './transaction.ts';
import { read } from './wire.ts';

/** What an audit went through. */
export interface Audit {
  /** Blocks. */
  readonly height: number;
  readonly transactions: number;
  /** Hash of the last block. */
  readonly hash: Uint8Array;
}

/**
 * Checks every block against the one before, the orderer's certificate and the verdicts' chained hash, and that state and
 * history are exactly what the valid transactions wrote.
 * @throws EmbeddedError CHAIN_BROKEN with the block, STORE_CORRUPT
 */
export async function auditChain(store: Store, channel: Channel): Promise<Audit> {
  const faults = store.fileFaults();
  if (faults.length > 0) throw new EmbeddedError('STORE_CORRUPT', `SQLite finds the file damaged: ${faults[0]}`);
  const height = store.height();
  let hash: Uint8Array = new Uint8Array();
  let commitHash: Uint8Array = new Uint8Array();
  let definition: string | undefined;
  let at = 0;
  let count = 0;
  let written = 0;
  let live = 0;
  for (let number = 0; number < height; number += 1) {
    const broken = (what: string) => new EmbeddedError('CHAIN_BROKEN', `Block ${number}: ${what}`);
    const block = store.block(number);
    if (!block) throw broken('is missing');
    const transactions = store.transactionsOf(number);
    const metadata = read.blockMetadata(block.metadata).getMetadataList_asU8();
    const header = decodeHeader(block.header);
    const expected = makeHeader(
      number,
      hash,
      transactions.map(({ envelope }) => envelope),
    );
    if (!same(headerBytes(header), headerBytes(expected)))
      throw broken('header does not match its contents or predecessor');
    hash = headerHash(header);
    if (!same(block.hash, hash)) throw broken('hash is not that of its header');
    const ordering = openedBy(() => openOrdering(header, metadata[SIGNATURES] as Uint8Array, channel.orderer));
    if (!ordering || ordering.at < at) throw broken('signature of the orderer is not valid');
    at = ordering.at;
    if (ordering.definition) definition = encodeDefinition(ordering.definition);
    const codes = Uint8Array.from(transactions, ({ code }) => code);
    if (!same(metadata[TRANSACTIONS_FILTER] as Uint8Array, codes)) throw broken('verdicts differ from the metadata');
    const { updates, writes, current } = writesOf(store, transactions, broken);
    written += writes;
    live += current;
    count += transactions.length;
    if (number === 0) continue;
    commitHash = nextCommitHash(codes, encodeUpdates(updates), commitHash);
    const recorded = read.metadata(metadata[COMMIT_HASH] as Uint8Array).getValue_asU8();
    if (!same(recorded, commitHash)) throw broken('verdicts or writes differ from the commit hash');
    await setImmediate();
  }
  const wrong = (what: string) => new EmbeddedError('CHAIN_BROKEN', what);
  if (!same(store.meta('commitHash') ?? new Uint8Array(), commitHash)) throw wrong('Store is not at its last block');
  const atEnd = Number(store.meta('at')?.toString() ?? 0) === at && store.meta('definition')?.toString() === definition;
  if (!atEnd) throw wrong('Definition of the channel is not that of its chain');
  if (store.count('transactions') !== count) throw wrong('Transactions outside of any block');
  if (store.count('history') !== written) throw wrong('History has changes that no transaction made');
  if (store.count('state') !== live) throw wrong('State has keys that no transaction wrote');
  return { height, transactions: count, hash };
}

/** The block's writes; every one must be in the history, and the last of its key in the state. */
function writesOf(store: Store, transactions: readonly TransactionRecord[], broken: (what: string) => Error) {
  const updates: Updates = new Map();
  let writes = 0;
  let current = 0;
  for (const { envelope, code, block, position, txId } of transactions) {
    const transaction = readTransaction(envelope);
    if (transaction.txId !== txId) throw broken(`transaction ${position} is filed under another id`);
    if (code !== 0) continue;
    for (const { namespace, writes: changes } of decodeReadWriteSet(readAction(transaction).readWriteSet)) {
      const version = { block, position };
      const keys = updates.get(namespace) ?? (new Map() as KeyUpdates);
      if (changes.length > 0) updates.set(namespace, keys);
      for (const { key, value } of changes) {
        writes += 1;
        keys.set(key, { value, version });
        const written = store.isWritten(namespace, key, version);
        if (!written) throw broken(`history lacks a write of transaction ${position}`);
        if (written === 'earlier') continue;
        const row = store.get(namespace, key);
        const right = value ? row !== undefined && same(row.value, value) && sameVersion(row.version, version) : !row;
        if (!right) throw broken(`state is not what transaction ${position} wrote last`);
        if (value) current += 1;
      }
    }
  }
  return { updates, writes, current };
}

/** What was signed, unless it was not. */
function openedBy(open: () => Ordering): Ordering | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { ledger } from '@hyperledger/fabric-protos';
import { read } from './wire.ts';

const { rwset } = ledger;
const { kvrwset } = rwset;

/** Where a value was written. */
export interface Version {
  readonly block: number;
  readonly position: number;
}

export interface Read {
  readonly key: string;
  /** `null` when there was no value. */
  readonly version: Version | null;
}

export interface Write {
  readonly key: string;
  /** `null` deletes. */
  readonly value: Uint8Array | null;
}

/** A range as it was read; `end` is the last key seen when the reader stopped early, else the end it asked for, exclusive. */
export interface RangeRead {
  readonly start: string;
  readonly end: string;
  readonly exhausted: boolean;
  readonly reads: readonly Read[];
}

/** What one transaction read and wrote of one chaincode's state. */
export interface NamespaceSet {
  readonly namespace: string;
  readonly reads: readonly Read[];
  readonly ranges: readonly RangeRead[];
  readonly writes: readonly Write[];
  /** Carries what the embedded node does not have: private data, key-level policies, hashed range reads. */
  readonly unsupported: boolean;
}

/** Go's order of strings, which is the order of their UTF-8 bytes and not JavaScript's. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export function sameVersion(a: Version | null, b: Version | null): boolean {
  return a === null || b === null ? a === b : a.block === b.block && a.position === b.position;
}

/** `rwset.TxReadWriteSet`, namespaces and keys in byte order as Fabric's builder leaves them. */
export function encodeReadWriteSet(sets: readonly NamespaceSet[]): Uint8Array {
  const transaction = new rwset.TxReadWriteSet();
  transaction.setDataModel(rwset.TxReadWriteSet.DataModel.KV);
  for (const set of sets) {
    const kv = new kvrwset.KVRWSet();
    kv.setReadsList(set.reads.map(encodeRead));
    kv.setRangeQueriesInfoList(set.ranges.map(encodeRange));
    kv.setWritesList(set.writes.map(encodeWrite));
    const namespace = new rwset.NsReadWriteSet();
    namespace.setNamespace(set.namespace);
    namespace.setRwset(kv.serializeBinary());
    transaction.addNsRwset(namespace);
  }
  return transaction.serializeBinary();
}

/** @throws Error when the bytes are no read-write set */
export function decodeReadWriteSet(bytes: Uint8Array): NamespaceSet[] {
  return read
    .readWriteSet(bytes)
    .getNsRwsetList()
    .map((set) => {
      const kv = read.keyReadWriteSet(set.getRwset_asU8());
      return {
        namespace: set.getNamespace(),
        reads: kv.getReadsList().map(decodeRead),
        ranges: kv.getRangeQueriesInfoList().map((range) => ({
          start: range.getStartKey(),
          end: range.getEndKey(),
          exhausted: range.getItrExhausted(),
          reads: range.getRawReads()?.getKvReadsList().map(decodeRead) ?? [],
        })),
        writes: kv.getWritesList().map((write) => ({
          key: write.getKey(),
          value: write.getIsDelete() ? null : write.getValue_asU8(),
        })),
        unsupported:
          set.getCollectionHashedRwsetList().length > 0 ||
          kv.getMetadataWritesList().length > 0 ||
          kv.getRangeQueriesInfoList().some((range) => range.hasReadsMerkleHashes()),
      };
    });
}

/** The last write of each key. */
export type KeyUpdates = Map<string, { readonly value: Uint8Array | null; readonly version: Version }>;

/** What one block writes, by chaincode. */
export type Updates = Map<string, KeyUpdates>;

/** The bytes that Fabric hashes into a block's commit hash: `txmgr.Updates`, deterministic. */
export function encodeUpdates(updates: Updates): Uint8Array {
  const writer = new BinaryWriter();
  for (const namespace of [...updates.keys()].sort(compareKeys)) {
    const keys = updates.get(namespace) as KeyUpdates;
    [...keys]
      .sort(([a], [b]) => compareKeys(a, b))
      .forEach(([key, { value, version }], i) => {
        const write = new BinaryWriter();
        if (i === 0) write.tag(1, 2).string(namespace);
        write.tag(3, 2).string(key);
        if (value === null) write.tag(4, 0).bool(true);
        else write.tag(5, 2).bytes(value);
        write.tag(6, 2).bytes(Buffer.concat([ordered(version.block), ordered(version.position)]));
        writer.tag(1, 2).bytes(write.finish());
      });
  }
  return writer.finish();
}

/** Fabric's order-preserving encoding of an unsigned integer: length, then big-endian bytes without leading zeros. */
function ordered(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  const first = bytes.findIndex((byte) => byte !== 0);
  const significant = first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
  return Buffer.concat([Buffer.of(significant.length), significant]);
}

function encodeRead({ key, version }: Read): InstanceType<typeof kvrwset.KVRead> {
  const read = new kvrwset.KVRead();
  read.setKey(key);
  if (version) {
    const at = new kvrwset.Version();
    at.setBlockNum(version.block);
    at.setTxNum(version.position);
    read.setVersion(at);
  }
  return read;
}

function decodeRead(read: InstanceType<typeof kvrwset.KVRead>): Read {
  const version = read.getVersion();
  return {
    key: read.getKey(),
    version: version ? { block: version.getBlockNum(), position: version.getTxNum() } : null,
  };
}

function encodeRange({ start, end, exhausted, reads }: RangeRead): InstanceType<typeof kvrwset.RangeQueryInfo> {
  const range = new kvrwset.RangeQueryInfo();
  range.setStartKey(start);
  range.setEndKey(end);
  range.setItrExhausted(exhausted);
  if (reads.length > 0) {
    const raw = new kvrwset.QueryReads();
    raw.setKvReadsList(reads.map(encodeRead));
    range.setRawReads(raw);
  }
  return range;
}

function encodeWrite({ key, value }: Write): InstanceType<typeof kvrwset.KVWrite> {
  const write = new kvrwset.KVWrite();
  write.setKey(key);
  write.setIsDelete(value === null);
  if (value) write.setValue(value);
  return write;
}

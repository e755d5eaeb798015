import { decode as decodeNode, type PBNode } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { importer } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced } from 'ipfs-unixfs-importer/layout';
import { abortable } from './abortable.ts';
import { type Cid, fromCid, isLeaf } from './cid.ts';
import type { PutOptions } from './vault.ts';
import { VaultError } from './vault-error.ts';

/** Bytes of content in a leaf, all but the last. */
export const CHUNK_BYTES = 1024 * 1024;

/** Children of a node at most. */
export const MAX_LINKS = 1024;

/** Blocks on the way from the root to any leaf at most, both counted. */
export const MAX_LEVELS = 6;

/** Leaves smaller than this on average make a DAG of more blocks than its size is worth. */
const MIN_AVERAGE_BLOCK_BYTES = 32 * 1024;
const BLOCKS_AHEAD = 4;
const WRITES_AT_ONCE = 4;

/**
 * Cuts the bytes into blocks and hands each to `write`, leaves before the nodes above them. Equals
 * `ipfs add --cid-version 1 --raw-leaves --chunker size-1048576 --max-file-links 1024`.
 */
export async function importDag(
  source: AsyncIterable<Uint8Array>,
  write: (cid: Cid, bytes: Uint8Array) => Promise<void>,
  { signal, onProgress }: PutOptions & { signal: AbortSignal },
): Promise<{ cid: Cid; sizeBytes: number }> {
  let sizeBytes = 0;
  async function* content() {
    for await (const chunk of abortable(source, signal)) {
      sizeBytes += chunk.length;
      onProgress?.(sizeBytes);
      yield chunk;
    }
  }
  const blockstore = {
    async put<T extends { bytes: Uint8Array }>(cid: T, bytes: Uint8Array): Promise<T> {
      await write(known(cid), bytes);
      return cid;
    },
  };
  const options = {
    cidVersion: 1,
    rawLeaves: true,
    chunker: fixedSize({ chunkSize: CHUNK_BYTES }),
    layout: balanced({ maxChildrenPerNode: MAX_LINKS }),
    wrapWithDirectory: false,
    blockWriteConcurrency: WRITES_AT_ONCE,
  } as const;
  const [root] = await Array.fromAsync(importer([{ content: content() }], blockstore, options));
  if (root === undefined) throw new TypeError('the importer gave no root');
  return { cid: known(root.cid), sizeBytes };
}

function known(cid: { bytes: Uint8Array }): Cid {
  const ours = fromCid(cid);
  if (ours === null) throw new TypeError('the importer gave a CID of another kind');
  return ours;
}

/** A block of a DAG in depth-first order. `start` and `sizeBytes`: the content below it. */
export interface DagBlock {
  cid: Cid;
  leaf: boolean;
  start: number;
  sizeBytes: number;
  /** Verified by whoever read it; `null` when the reader gave none, and then nothing below is visited. */
  bytes: Uint8Array | null;
}

/** What {@link walkDag} takes. Without `sizeBytes` the DAG's own declaration counts. */
export interface WalkOptions {
  read: (cid: Cid, signal: AbortSignal) => Promise<Uint8Array | null>;
  sizeBytes?: number | undefined;
  /** Only blocks with content in [from, to) and the nodes above them; all when left out. */
  from?: number | undefined;
  to?: number | undefined;
  signal?: AbortSignal | undefined;
}

interface Planned extends Omit<DagBlock, 'bytes' | 'sizeBytes'> {
  sizeBytes: number | undefined;
  bytes: Uint8Array | null | undefined;
}

/**
 * Visits the blocks of a file, believing nothing: every node must agree with the one above it on its size, so that no
 * more than the signed size is ever asked for. Leaves are read ahead, a few at a time.
 *
 * @throws SIZE_MISMATCH DAG_TOO_DEEP DAG_INVALID, and whatever `read` throws
 */
export async function* walkDag(root: Cid, options: WalkOptions): AsyncGenerator<DagBlock, void, undefined> {
  const { read, from = 0, to = Number.POSITIVE_INFINITY } = options;
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  let budget = options.sizeBytes === undefined ? undefined : blockBudget(options.sizeBytes);

  async function* plan(cid: Cid, sizeBytes: number | undefined, start: number, level: number): AsyncGenerator<Planned> {
    signal.throwIfAborted();
    if (level > MAX_LEVELS) throw new VaultError('DAG_TOO_DEEP', `more than ${MAX_LEVELS} levels`, { cid });
    if (budget !== undefined && --budget < 0)
      throw new VaultError('DAG_INVALID', 'more blocks than the size is worth', { cid });
    if (isLeaf(cid)) {
      yield { cid, leaf: true, start, sizeBytes, bytes: undefined };
      return;
    }
    const bytes = await read(cid, signal);
    if (bytes === null) {
      yield { cid, leaf: false, start, sizeBytes: sizeBytes ?? 0, bytes };
      return;
    }
    const node = readNode(cid, bytes, sizeBytes);
    budget ??= blockBudget(node.sizeBytes);
    yield { cid, leaf: false, start, sizeBytes: node.sizeBytes, bytes };
    let childStart = start;
    for (const child of node.children) {
      const childEnd = childStart + child.sizeBytes;
      if (childStart < to && childEnd > from) yield* plan(child.cid, child.sizeBytes, childStart, level + 1);
      childStart = childEnd;
    }
  }

  async function load(planned: Planned): Promise<DagBlock> {
    const bytes = planned.bytes === undefined ? await read(planned.cid, signal) : planned.bytes;
    if (planned.leaf && bytes !== null && bytes.length !== (planned.sizeBytes ?? bytes.length))
      throw mismatch(planned.cid);
    return { ...planned, bytes, sizeBytes: planned.sizeBytes ?? bytes?.length ?? 0 };
  }

  const ahead: Promise<DagBlock>[] = [];
  try {
    for await (const planned of plan(root, options.sizeBytes, 0, 1)) {
      const loading = load(planned);
      loading.catch(() => undefined);
      ahead.push(loading);
      if (ahead.length > BLOCKS_AHEAD) yield await (ahead.shift() as Promise<DagBlock>);
    }
    for (const loading of ahead) yield await loading;
  } finally {
    stop.abort();
  }
}

/** {@link walkDag} with a few visits at once; a block is visited when it fits in its place, not before. */
export async function visitDag(
  root: Cid,
  options: WalkOptions,
  visit: (block: DagBlock) => Promise<void>,
): Promise<void> {
  const visits: Promise<void>[] = [];
  for await (const block of walkDag(root, options)) {
    const visiting = visit(block);
    visiting.catch(() => undefined);
    visits.push(visiting);
    if (visits.length > WRITES_AT_ONCE) await visits.shift();
  }
  await Promise.all(visits);
}

function blockBudget(sizeBytes: number): number {
  return 32 + Math.ceil(sizeBytes / MIN_AVERAGE_BLOCK_BYTES);
}

function readNode(cid: Cid, bytes: Uint8Array, expectedBytes: number | undefined) {
  const { node, file } = decode(cid, bytes);
  const plain =
    file.type === 'file' &&
    file.data === undefined &&
    Buffer.compare(file.marshal(), node.Data ?? new Uint8Array()) === 0;
  const count = node.Links.length;
  if (!plain || count === 0 || count > MAX_LINKS || count !== file.blockSizes.length) throw invalid(cid);
  const children = node.Links.map((link, index) => {
    const child = fromCid(link.Hash);
    const sizeBytes = Number(file.blockSizes[index]);
    if (child === null || link.Name || sizeBytes < 1) throw invalid(cid);
    return { cid: child, sizeBytes };
  });
  const sizeBytes = children.reduce((sum, child) => sum + child.sizeBytes, 0);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes !== (expectedBytes ?? sizeBytes)) throw mismatch(cid);
  return { children, sizeBytes };
}

function decode(cid: Cid, bytes: Uint8Array): { node: PBNode; file: UnixFS } {
  try {
    const node = decodeNode(bytes);
    return { node, file: UnixFS.unmarshal(node.Data ?? new Uint8Array()) };
  } catch (cause) {
    throw invalid(cid, cause);
  }
}

function invalid(cid: Cid, cause?: unknown): VaultError {
  return new VaultError('DAG_INVALID', 'not a file node of this vault', { cid, cause });
}

function mismatch(cid: Cid): VaultError {
  return new VaultError('SIZE_MISMATCH', 'the block is not of the size that was promised', { cid });
}

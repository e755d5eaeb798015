import { ByteReader, concat, equal, exactly } from './bytes.ts';
import { CONTENT_KEY_BYTES } from './content-secret.ts';
import { tagged } from './context.ts';
import { PreError } from './pre-error.ts';
import type { Suite } from './suite.ts';
import { PREAMBLE_BYTES, preamble, readPreamble } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';
import { YILIAN } from './tags.ts';

const MAGIC = 'YLSB';
const CODE = 'BODY_INVALID';
const KEY_BYTES = 32;
const COMMITMENT_BYTES = 32;
const MIN_CHUNK_LOG2 = 12;
const MAX_CHUNK_LOG2 = 22;
const MAX_CHUNKS = 2 ** 32;

export const BODY_SALT_BYTES = 32;

/** preamble 6 | log2 of the chunk size 1 | salt 32 | key commitment 32. */
export const BODY_HEADER_BYTES = PREAMBLE_BYTES + 1 + BODY_SALT_BYTES + COMMITMENT_BYTES;

/** Plaintext bytes per chunk unless asked otherwise. */
export const DEFAULT_CHUNK_BYTES = 1 << 20;

/** How a body is cut. */
export interface BodyCut {
  readonly suite: Suite;
  readonly chunkSize: number;
}

/** What chunks are sealed with. */
export interface BodyKey extends BodyCut {
  readonly key: Uint8Array;
}

/** @throws ARGUMENT_INVALID unless a power of two from 4 KiB to 4 MiB */
function checkChunkSize(chunkSize: number): number {
  const log2 = Math.log2(chunkSize);
  if (!Number.isInteger(log2) || log2 < MIN_CHUNK_LOG2 || log2 > MAX_CHUNK_LOG2) {
    throw new PreError('ARGUMENT_INVALID', 'a chunk size is a power of two from 4 KiB to 4 MiB');
  }
  return chunkSize;
}

export function makeBodyHeader(
  contentKey: Uint8Array,
  { suite, chunkSize }: BodyCut,
  salt: Uint8Array,
): { header: Uint8Array; body: BodyKey } {
  const start = concat(preamble(MAGIC, suite), Uint8Array.of(Math.log2(checkChunkSize(chunkSize))), salt);
  const { key, commitment } = bodyKey(suite, contentKey, start, salt);
  return { header: concat(start, commitment), body: { suite, key, chunkSize } };
}

/** @throws BODY_INVALID on another content key or a changed header, SUITE_UNSUPPORTED */
export function readBodyHeader(contentKey: Uint8Array, header: Uint8Array, suite: Suite): BodyKey {
  const reader = new ByteReader(header, CODE);
  readPreamble(reader, MAGIC, suite);
  const [log2 = 0] = reader.take(1);
  if (log2 < MIN_CHUNK_LOG2 || log2 > MAX_CHUNK_LOG2) throw new PreError(CODE, 'the chunk size is out of range');
  const salt = reader.take(BODY_SALT_BYTES);
  const expected = reader.take(COMMITMENT_BYTES);
  reader.end();
  const start = header.subarray(0, BODY_HEADER_BYTES - COMMITMENT_BYTES);
  const { key, commitment } = bodyKey(suite, contentKey, start, salt);
  if (!equal(commitment, expected)) {
    key.fill(0);
    throw new PreError(CODE, 'sealed with another content key, or its header was changed');
  }
  return { suite, key, chunkSize: 1 << log2 };
}

/** Eleven bytes of chunk index, big-endian, then 1 on the last chunk and 0 on every other. @throws ARGUMENT_INVALID */
export function chunkNonce(index: number, last: boolean): Uint8Array {
  if (index >= MAX_CHUNKS) throw new PreError('ARGUMENT_INVALID', 'a body has at most 2^32 chunks');
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(7, index);
  view.setUint8(11, last ? 1 : 0);
  return nonce;
}

/** Size in bytes of the sealed body of a plaintext of `plainSize` bytes. @throws ARGUMENT_INVALID */
export function sealedSize(
  plainSize: number,
  chunkSize: number = DEFAULT_CHUNK_BYTES,
  suite: Suite = SECP256K1_SUITE,
): number {
  checkChunkSize(chunkSize);
  const chunks = Math.max(1, Math.ceil(plainSize / chunkSize));
  const size = BODY_HEADER_BYTES + plainSize + chunks * suite.chunk.tagBytes;
  if (!Number.isSafeInteger(plainSize) || plainSize < 0 || chunks > MAX_CHUNKS || !Number.isSafeInteger(size)) {
    throw new PreError('ARGUMENT_INVALID', 'not the size of a plaintext');
  }
  return size;
}

/** Inverse of `sealedSize`. @throws BODY_TRUNCATED when no plaintext has a sealed body of this size */
export function plainSize(
  sealedSize: number,
  chunkSize: number = DEFAULT_CHUNK_BYTES,
  suite: Suite = SECP256K1_SUITE,
): number {
  const { chunks, lastChunkSize } = chunksOf(sealedSize, { suite, chunkSize: checkChunkSize(chunkSize) });
  return (chunks - 1) * chunkSize + lastChunkSize;
}

/** How many chunks a sealed body has and how much plaintext is in the last. @throws BODY_TRUNCATED, ARGUMENT_INVALID */
export function chunksOf(sealedSize: number, cut: BodyCut): { chunks: number; lastChunkSize: number } {
  const { tagBytes } = cut.suite.chunk;
  const sealedChunkSize = sealedChunkSizeOf(cut);
  if (!Number.isSafeInteger(sealedSize) || sealedSize < 0) throw new PreError('ARGUMENT_INVALID', 'not a size');
  const payload = sealedSize - BODY_HEADER_BYTES;
  const chunks = Math.ceil(payload / sealedChunkSize);
  const lastChunkSize = payload - (chunks - 1) * sealedChunkSize - tagBytes;
  if (payload < tagBytes || chunks > MAX_CHUNKS || lastChunkSize < 0 || (lastChunkSize === 0 && chunks > 1)) {
    throw new PreError('BODY_TRUNCATED', `no sealed body is ${sealedSize} bytes`);
  }
  return { chunks, lastChunkSize };
}

/** Where chunk `index` stands in a sealed body. */
export function chunkOffset(index: number, cut: BodyCut): number {
  return BODY_HEADER_BYTES + index * sealedChunkSizeOf(cut);
}

/** Of every chunk but the last. */
export function sealedChunkSizeOf({ chunkSize, suite }: BodyCut): number {
  return chunkSize + suite.chunk.tagBytes;
}

function bodyKey(suite: Suite, contentKey: Uint8Array, start: Uint8Array, salt: Uint8Array) {
  const own = exactly(contentKey, CONTENT_KEY_BYTES, 'ARGUMENT_INVALID', 'a content key');
  const okm = suite.derive(own, tagged(YILIAN.body, start), KEY_BYTES + COMMITMENT_BYTES, salt);
  const derived = { key: okm.slice(0, KEY_BYTES), commitment: okm.slice(KEY_BYTES) };
  own.fill(0);
  okm.fill(0);
  return derived;
}

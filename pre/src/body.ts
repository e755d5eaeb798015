import { open, seal } from '#native';
import { TAG_BYTES } from './aead.ts';
import type { BodyKey } from './body-layout.ts';
import {
  BODY_HEADER_BYTES,
  BODY_SALT_BYTES,
  chunkNonce,
  chunksOf,
  DEFAULT_CHUNK_BYTES,
  makeBodyHeader,
  readBodyHeader,
} from './body-layout.ts';
import type { ByteIterable } from './byte-source.ts';
import { ByteSource } from './byte-source.ts';
import { PreError } from './pre-error.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';

const NO_AAD = new Uint8Array();

export interface SealBodyOptions {
  /** Plaintext bytes per chunk, a power of two from 4 KiB to 4 MiB; 1 MiB by default. */
  readonly chunkSize?: number;
  readonly rng?: Rng;
}

export interface OpenBodyOptions {
  /** The signed size of the sealed body in bytes: reading stops there, and any other length is refused. */
  readonly sealedSize?: number;
}

/** Half-open range of plaintext offsets. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Reads `length` bytes of the sealed body at `offset`. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** Seals a stream of any length, in memory of about two chunks (SPEC.md §7). @throws ARGUMENT_INVALID */
export async function* sealBody(
  contentKey: Uint8Array,
  source: ByteIterable,
  options: SealBodyOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { chunkSize = DEFAULT_CHUNK_BYTES, rng = systemRng } = options;
  const { header, body } = makeBodyHeader(contentKey, chunkSize, draw(rng, BODY_SALT_BYTES));
  const bytes = new ByteSource(source);
  const chunk = new Uint8Array(chunkSize);
  try {
    yield header;
    for (let index = 0, last = false; !last; index++) {
      const size = await bytes.fill(chunk);
      last = await bytes.atEnd();
      yield seal(body.key, chunkNonce(index, last), NO_AAD, chunk.subarray(0, size));
    }
  } finally {
    chunk.fill(0);
    body.key.fill(0);
    await bytes.close();
  }
}

/**
 * Opens a sealed body as it arrives. Every byte it yields is authentic and in place; only the end of the iteration
 * says that the body is complete.
 * @throws BODY_INVALID on another key or any change, BODY_TRUNCATED or BODY_EXTENDED when it ends too early or late
 */
export async function* openBody(
  contentKey: Uint8Array,
  source: ByteIterable,
  { sealedSize }: OpenBodyOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = new ByteSource(source);
  let body: BodyKey | undefined;
  try {
    const header = new Uint8Array(BODY_HEADER_BYTES);
    if ((await bytes.fill(header)) < header.length) throw new PreError('BODY_TRUNCATED', 'ends within its header');
    body = readBodyHeader(contentKey, header);
    if (sealedSize !== undefined) chunksOf(sealedSize, body.chunkSize);
    const chunk = new Uint8Array(body.chunkSize + TAG_BYTES);
    for (let index = 0, last = false; !last; index++) {
      const size = await bytes.fill(chunk);
      last = await bytes.atEnd();
      if (sealedSize !== undefined) requireSize(bytes.pulled, sealedSize, last);
      const plaintext = openChunk(body, index, last, chunk.subarray(0, size));
      if (plaintext.length > 0) yield plaintext;
    }
  } finally {
    body?.key.fill(0);
    await bytes.close();
  }
}

/**
 * Opens a part of a sealed body. The last chunk is fetched and authenticated first: it proves where the body ends.
 * @param sealedSize size of the sealed body in bytes
 * @throws RANGE_INVALID unless 0 ≤ start ≤ end ≤ plain size, BODY_INVALID, BODY_TRUNCATED
 */
export async function* openBodyRange(
  contentKey: Uint8Array,
  read: ReadAt,
  sealedSize: number,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (sealedSize < BODY_HEADER_BYTES) throw new PreError('BODY_TRUNCATED', 'ends within its header');
  const body = readBodyHeader(contentKey, await readExactly(read, 0, BODY_HEADER_BYTES));
  try {
    const { chunkSize } = body;
    const { chunks, lastChunkSize } = chunksOf(sealedSize, chunkSize);
    const openAt = async (index: number) => {
      const last = index === chunks - 1;
      const offset = BODY_HEADER_BYTES + index * (chunkSize + TAG_BYTES);
      const length = (last ? lastChunkSize : chunkSize) + TAG_BYTES;
      return openChunk(body, index, last, await readExactly(read, offset, length));
    };
    const lastChunk = await openAt(chunks - 1);
    const plainSize = (chunks - 1) * chunkSize + lastChunkSize;
    if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= plainSize)) {
      throw new PreError('RANGE_INVALID', `the range is not within 0 to ${plainSize}`);
    }
    for (let index = Math.floor(start / chunkSize); index * chunkSize < end; index++) {
      const chunk = index === chunks - 1 ? lastChunk : await openAt(index);
      const part = chunk.subarray(Math.max(0, start - index * chunkSize), end - index * chunkSize);
      if (part.length > 0) yield part;
    }
  } finally {
    body.key.fill(0);
  }
}

function openChunk(body: BodyKey, index: number, last: boolean, sealed: Uint8Array): Uint8Array {
  if (sealed.length < TAG_BYTES) throw new PreError('BODY_TRUNCATED', `ends within the tag of chunk ${index}`);
  const plaintext = open(body.key, chunkNonce(index, last), NO_AAD, sealed);
  if (plaintext === undefined) throw chunkError(body, index, last, sealed);
  if (plaintext.length === 0 && index > 0) throw new PreError('BODY_INVALID', 'only an empty body has an empty chunk');
  return plaintext;
}

/** An authentic chunk in the wrong role tells a cut or prolonged body from a damaged one. */
function chunkError(body: BodyKey, index: number, last: boolean, sealed: Uint8Array): PreError {
  const otherRole = open(body.key, chunkNonce(index, !last), NO_AAD, sealed);
  if (otherRole === undefined) return new PreError('BODY_INVALID', `chunk ${index} is not authentic`);
  otherRole.fill(0);
  return last
    ? new PreError('BODY_TRUNCATED', `ends after chunk ${index}, which is not the last`)
    : new PreError('BODY_EXTENDED', `goes on after its last chunk ${index}`);
}

function requireSize(pulled: number, sealedSize: number, ended: boolean): void {
  if (pulled > sealedSize) throw new PreError('BODY_EXTENDED', `longer than the expected ${sealedSize} bytes`);
  if (ended && pulled < sealedSize) throw new PreError('BODY_TRUNCATED', `ends after ${pulled} of ${sealedSize} bytes`);
}

async function readExactly(read: ReadAt, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await read(offset, length);
  if (bytes.length < length) throw new PreError('BODY_TRUNCATED', `no ${length} bytes at offset ${offset}`);
  if (bytes.length > length) throw new PreError('BODY_EXTENDED', `more than ${length} bytes read at offset ${offset}`);
  return bytes;
}

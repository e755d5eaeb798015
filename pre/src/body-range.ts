import { openChunk } from './body-chunk.ts';
import type { BodyKey } from './body-layout.ts';
import { BODY_HEADER_BYTES, chunkOffset, chunksOf, readBodyHeader } from './body-layout.ts';
import { PreError } from './pre-error.ts';
import type { Suite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

const DEFAULT_READS_AT_ONCE = 4;
const MAX_READS_AT_ONCE = 64;

/** Half-open range of plaintext offsets. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Reads `length` bytes of the sealed body at `offset`. The signal tells a read that nobody waits for it any more. */
export type ReadAt = (
  offset: number,
  length: number,
  options?: { readonly signal?: AbortSignal },
) => Promise<Uint8Array>;

export interface OpenBodyRangeOptions {
  /**
   * How many chunks are read at once, from 1 to 64, so that the latency of a remote store is paid once for all of them; 4 by
   * default. As many sealed chunks are held in memory.
   */
  readonly readsAtOnce?: number;
  /** The body must be of this suite, suite 1 by default. */
  readonly suite?: Suite;
}

/**
 * Opens a part of a sealed body. The last chunk is fetched and authenticated first: it proves where the body ends.
 * Ranges are independent of one another, so that several threads can each open a part of one body.
 * @param sealedSize size of the sealed body in bytes
 * @throws RANGE_INVALID unless 0 ≤ start ≤ end ≤ plain size, BODY_INVALID, BODY_TRUNCATED, SUITE_UNSUPPORTED,
 *   ARGUMENT_INVALID
 */
export async function* openBodyRange(
  contentKey: Uint8Array,
  read: ReadAt,
  sealedSize: number,
  { start, end }: ByteRange,
  { readsAtOnce = DEFAULT_READS_AT_ONCE, suite = SECP256K1_SUITE }: OpenBodyRangeOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!Number.isInteger(readsAtOnce) || readsAtOnce < 1 || readsAtOnce > MAX_READS_AT_ONCE)
    throw new PreError('ARGUMENT_INVALID', `1 to ${MAX_READS_AT_ONCE} chunks are read at once`);
  if (sealedSize < BODY_HEADER_BYTES) throw new PreError('BODY_TRUNCATED', 'ends within its header');
  const stop = new AbortController();
  let body: BodyKey | undefined;
  try {
    const opened = readBodyHeader(contentKey, await readExactly(read, 0, BODY_HEADER_BYTES, stop.signal), suite);
    body = opened;
    const { chunkSize } = opened;
    const { chunks, lastChunkSize } = chunksOf(sealedSize, opened);
    const last = chunks - 1;
    const plainSize = last * chunkSize + lastChunkSize;
    const range = { start, end };
    const partOf = (index: number, chunk: Uint8Array) =>
      chunk.subarray(Math.max(0, start - index * chunkSize), Math.max(0, end - index * chunkSize));
    const fetch = async (index: number) => {
      const length = (index === last ? lastChunkSize : chunkSize) + suite.chunk.tagBytes;
      return { index, sealed: await readExactly(read, chunkOffset(index, opened), length, stop.signal) };
    };
    let lastChunk: Uint8Array = new Uint8Array();
    const wanted = chunksToRead(range, last, plainSize, chunkSize);
    for await (const { index, sealed } of inOrder(wanted, readsAtOnce, fetch)) {
      const chunk = openChunk(opened, index, index === last, sealed);
      if (index < last) {
        yield partOf(index, chunk);
        continue;
      }
      if (!isWithin(range, plainSize)) throw new PreError('RANGE_INVALID', `the range is not within 0 to ${plainSize}`);
      lastChunk = chunk;
    }
    const part = partOf(last, lastChunk);
    if (part.length > 0) yield part;
  } finally {
    stop.abort();
    body?.key.fill(0);
  }
}

/** The last chunk, which vouches for the size, then those before it that the range meets: none unless the range is within. */
function* chunksToRead(range: ByteRange, last: number, plainSize: number, chunkSize: number): Generator<number> {
  yield last;
  if (!isWithin(range, plainSize) || range.start === range.end) return;
  for (let index = Math.floor(range.start / chunkSize); index < last && index * chunkSize < range.end; index++)
    yield index;
}

function isWithin({ start, end }: ByteRange, plainSize: number): boolean {
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= plainSize;
}

/** What the calls give, in the order of their arguments; at most `atOnce` of them are under way or wait to be taken. */
async function* inOrder<T, R>(
  args: Iterable<T>,
  atOnce: number,
  call: (arg: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const calls: Promise<R>[] = [];
  for (const arg of args) {
    const called = call(arg);
    // One that fails after the reader stopped has nobody left to tell.
    called.catch(() => undefined);
    calls.push(called);
    if (calls.length === atOnce) yield await (calls.shift() as Promise<R>);
  }
  for (const called of calls) yield await called;
}

/** @throws BODY_TRUNCATED, BODY_EXTENDED when another number of bytes is read */
export async function readExactly(
  read: ReadAt,
  offset: number,
  length: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = await read(offset, length, signal && { signal });
  if (bytes.length < length) throw new PreError('BODY_TRUNCATED', `no ${length} bytes at offset ${offset}`);
  if (bytes.length > length) throw new PreError('BODY_EXTENDED', `more than ${length} bytes read at offset ${offset}`);
  return bytes;
}

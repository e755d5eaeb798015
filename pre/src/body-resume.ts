import { isChunk, openChunk, sealChunks } from './body-chunk.ts';
import type { BodyKey } from './body-layout.ts';
import { BODY_HEADER_BYTES, chunkOffset, readBodyHeader, sealedChunkSizeOf } from './body-layout.ts';
import type { ReadAt } from './body-range.ts';
import { readExactly } from './body-range.ts';
import type { ByteIterable } from './byte-source.ts';
import { ByteSource } from './byte-source.ts';
import { equal } from './bytes.ts';
import { PreError } from './pre-error.ts';
import type { Suite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

export interface ResumeBodyOptions {
  /** The body must be of this suite, suite 1 by default. */
  readonly suite?: Suite;
}

/**
 * Goes on sealing where a writer was interrupted (SPEC.md §7, Resuming): yields what follows the bytes already written,
 * and nothing, without asking for the source, when the body is whole already. It seals under the nonces of the
 * interrupted writer, so either the source must be unchanged, or nobody may have seen more of the body than is written.
 * The source is held against the last whole chunk and what follows it before anything is yielded.
 * @param read reads what is written
 * @param writtenSize bytes written so far, known to have reached the disk
 * @param sourceFrom the plaintext from an offset on; asked once, for at most two chunks before the place to go on at
 * @throws SOURCE_CHANGED when the source does not seal to what is written, BODY_TRUNCATED when not even the header is
 *   whole (seal it anew), BODY_INVALID on another key or a damaged chunk, BODY_EXTENDED when bytes follow the end,
 *   SUITE_UNSUPPORTED on a body of another suite
 */
export async function* resumeBody(
  contentKey: Uint8Array,
  read: ReadAt,
  writtenSize: number,
  sourceFrom: (offset: number) => ByteIterable,
  { suite = SECP256K1_SUITE }: ResumeBodyOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!Number.isSafeInteger(writtenSize) || writtenSize < 0) throw new PreError('ARGUMENT_INVALID', 'not a size');
  if (writtenSize < BODY_HEADER_BYTES) throw new PreError('BODY_TRUNCATED', 'ends within its header: seal it anew');
  const body = readBodyHeader(contentKey, await readExactly(read, 0, BODY_HEADER_BYTES), suite);
  let bytes: ByteSource | undefined;
  try {
    const wholeChunks = Math.floor((writtenSize - BODY_HEADER_BYTES) / sealedChunkSizeOf(body));
    const index = Math.max(0, wholeChunks - 1);
    const offset = chunkOffset(index, body);
    const tail = await readExactly(read, offset, writtenSize - offset);
    if (isWhole(body, index, tail)) return;
    bytes = new ByteSource(sourceFrom(index * body.chunkSize));
    yield* after(tail, sealChunks(body, bytes, index));
  } finally {
    body.key.fill(0);
    await bytes?.close();
  }
}

/** Whether a body whose bytes from chunk `index` on are these, at most one chunk and a part of the next, has its end. */
function isWhole(body: BodyKey, index: number, tail: Uint8Array): boolean {
  const sealedChunkSize = sealedChunkSizeOf(body);
  if (tail.length <= sealedChunkSize && isChunk(body, index, true, tail)) return true;
  if (tail.length < sealedChunkSize) return false;
  openChunk(body, index, false, tail.subarray(0, sealedChunkSize)).fill(0);
  return isChunk(body, index + 1, true, tail.subarray(sealedChunkSize));
}

/** The rest of a stream that must begin with `written`; all of that is compared before the first piece is yielded. */
async function* after(
  written: Uint8Array,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let compared = 0;
  for await (const piece of pieces) {
    const known = Math.min(piece.length, written.length - compared);
    if (!equal(piece.subarray(0, known), written.subarray(compared, compared + known))) throw sourceChanged();
    compared += known;
    if (known < piece.length) yield piece.subarray(known);
  }
  if (compared < written.length) throw sourceChanged();
}

function sourceChanged(): PreError {
  return new PreError('SOURCE_CHANGED', 'the source does not seal to what is written');
}

import { openChunk, sealChunks } from './body-chunk.ts';
import type { BodyKey } from './body-layout.ts';
import {
  BODY_HEADER_BYTES,
  BODY_SALT_BYTES,
  chunksOf,
  DEFAULT_CHUNK_BYTES,
  makeBodyHeader,
  readBodyHeader,
  sealedChunkSizeOf,
} from './body-layout.ts';
import type { ByteIterable } from './byte-source.ts';
import { ByteSource } from './byte-source.ts';
import { PreError } from './pre-error.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import type { Suite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

export interface SealBodyOptions {
  /** Plaintext bytes per chunk, a power of two from 4 KiB to 4 MiB; 1 MiB by default. */
  readonly chunkSize?: number;
  readonly rng?: Rng;
  /** Suite 1 by default. */
  readonly suite?: Suite;
}

export interface OpenBodyOptions {
  /** The signed size of the sealed body in bytes: reading stops there, and any other length is refused. */
  readonly sealedSize?: number;
  /** The body must be of this suite, suite 1 by default. */
  readonly suite?: Suite;
}

/** Seals a stream of any length, in memory of about two chunks (SPEC.md §7). @throws ARGUMENT_INVALID */
export async function* sealBody(
  contentKey: Uint8Array,
  source: ByteIterable,
  options: SealBodyOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { chunkSize = DEFAULT_CHUNK_BYTES, rng = systemRng, suite = SECP256K1_SUITE } = options;
  const { header, body } = makeBodyHeader(contentKey, { suite, chunkSize }, draw(rng, BODY_SALT_BYTES));
  const bytes = new ByteSource(source);
  try {
    yield header;
    yield* sealChunks(body, bytes, 0);
  } finally {
    body.key.fill(0);
    await bytes.close();
  }
}

/**
 * Opens a sealed body as it arrives. Every byte it yields is authentic and in place; only the end of the iteration
 * says that the body is complete.
 * @throws BODY_INVALID on another key or any change, BODY_TRUNCATED or BODY_EXTENDED when it ends too early or late,
 *   SUITE_UNSUPPORTED when it is of another suite
 */
export async function* openBody(
  contentKey: Uint8Array,
  source: ByteIterable,
  { sealedSize, suite = SECP256K1_SUITE }: OpenBodyOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = new ByteSource(source);
  let body: BodyKey | undefined;
  try {
    const header = await bytes.block(new Uint8Array(BODY_HEADER_BYTES));
    if (header.length < BODY_HEADER_BYTES) throw new PreError('BODY_TRUNCATED', 'ends within its header');
    body = readBodyHeader(contentKey, header, suite);
    if (sealedSize !== undefined) chunksOf(sealedSize, body);
    const room = new Uint8Array(sealedChunkSizeOf(body));
    for (let index = 0, last = false; !last; index++) {
      const sealed = await bytes.block(room);
      last = await bytes.atEnd();
      if (sealedSize !== undefined) requireSize(bytes.pulled, sealedSize, last);
      const plaintext = openChunk(body, index, last, sealed);
      if (plaintext.length > 0) yield plaintext;
    }
  } finally {
    body?.key.fill(0);
    await bytes.close();
  }
}

function requireSize(pulled: number, sealedSize: number, ended: boolean): void {
  if (pulled > sealedSize) throw new PreError('BODY_EXTENDED', `longer than the expected ${sealedSize} bytes`);
  if (ended && pulled < sealedSize) throw new PreError('BODY_TRUNCATED', `ends after ${pulled} of ${sealedSize} bytes`);
}

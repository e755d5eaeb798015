import type { BodyKey } from './body-layout.ts';
import { chunkNonce } from './body-layout.ts';
import type { ByteSource } from './byte-source.ts';
import { PreError } from './pre-error.ts';

const NO_AAD = new Uint8Array();

/**
 * Seals what is left of a stream as the chunks from `index` on: of each first the ciphertext, then the tag, since joining
 * them would copy every byte.
 */
export async function* sealChunks(
  body: BodyKey,
  bytes: ByteSource,
  index: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const room = new Uint8Array(body.chunkSize);
  let used = 0;
  try {
    for (let at = index, last = false; !last; at++) {
      const plaintext = await bytes.block(room);
      used = Math.max(used, plaintext.length);
      last = await bytes.atEnd();
      const { ciphertext, tag } = body.suite.chunk.sealApart(body.key, chunkNonce(at, last), NO_AAD, plaintext);
      if (ciphertext.length > 0) yield ciphertext;
      yield tag;
    }
  } finally {
    room.fill(0, 0, used);
  }
}

/**
 * The plaintext of a chunk, sealed as ciphertext | tag.
 * @throws BODY_TRUNCATED or BODY_EXTENDED when it is authentic in the other role, BODY_INVALID
 */
export function openChunk(body: BodyKey, index: number, last: boolean, sealed: Uint8Array): Uint8Array {
  if (sealed.length < body.suite.chunk.tagBytes)
    throw new PreError('BODY_TRUNCATED', `ends within the tag of chunk ${index}`);
  const plaintext = body.suite.chunk.open(body.key, chunkNonce(index, last), NO_AAD, sealed);
  if (plaintext === undefined) throw chunkError(body, index, last, sealed);
  if (plaintext.length === 0 && index > 0) throw new PreError('BODY_INVALID', 'only an empty body has an empty chunk');
  return plaintext;
}

/** Whether the bytes are this chunk in this role, sealed under this key. */
export function isChunk(body: BodyKey, index: number, last: boolean, sealed: Uint8Array): boolean {
  const plaintext = body.suite.chunk.open(body.key, chunkNonce(index, last), NO_AAD, sealed);
  plaintext?.fill(0);
  return plaintext !== undefined;
}

/** An authentic chunk in the wrong role tells a cut or prolonged body from a damaged one. */
function chunkError(body: BodyKey, index: number, last: boolean, sealed: Uint8Array): PreError {
  if (!isChunk(body, index, !last, sealed)) return new PreError('BODY_INVALID', `chunk ${index} is not authentic`);
  return last
    ? new PreError('BODY_TRUNCATED', `ends after chunk ${index}, which is not the last`)
    : new PreError('BODY_EXTENDED', `goes on after its last chunk ${index}`);
}

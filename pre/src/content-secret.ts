import { ByteReader, concat, exactly, wipe } from './bytes.ts';
import { tagged } from './context.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import type { Suite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';
import { YILIAN } from './tags.ts';

export const CONTENT_KEY_BYTES = 32;
const COMMITMENT_SALT_BYTES = 32;

/** What a header seals: content key, then commitment salt. */
export const CONTENT_SECRET_BYTES = CONTENT_KEY_BYTES + COMMITMENT_SALT_BYTES;

/** What a key header keeps: the key of the sealed body and the salt of its commitment, 32 bytes each. */
export interface ContentSecret {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

export function newContentSecret(rng: Rng = systemRng): ContentSecret {
  return { key: draw(rng, CONTENT_KEY_BYTES), salt: draw(rng, COMMITMENT_SALT_BYTES) };
}

/**
 * Commits to a plaintext without letting anyone without the salt test a guess.
 * @param plaintextHash of the same suite, 32 bytes
 * @returns 32 bytes
 * @throws ARGUMENT_INVALID unless both are 32 bytes
 */
export function commitment(salt: Uint8Array, plaintextHash: Uint8Array, suite: Suite = SECP256K1_SUITE): Uint8Array {
  const ownSalt = exactly(salt, COMMITMENT_SALT_BYTES, 'ARGUMENT_INVALID', 'a commitment salt');
  const hash = exactly(plaintextHash, 32, 'ARGUMENT_INVALID', 'a hash');
  return suite.hash(tagged(YILIAN.commitment, ownSalt, hash));
}

/** Content key | commitment salt, 64 bytes. @throws ARGUMENT_INVALID on another shape */
export function joinContentSecret({ key, salt }: ContentSecret): Uint8Array {
  const own = exactly(key, CONTENT_KEY_BYTES, 'ARGUMENT_INVALID', 'a content key');
  const ownSalt = exactly(salt, COMMITMENT_SALT_BYTES, 'ARGUMENT_INVALID', 'a commitment salt');
  const joined = concat(own, ownSalt);
  wipe(own, ownSalt);
  return joined;
}

/** Inverse of `joinContentSecret`. Consumes the bytes. */
export function splitContentSecret(joined: Uint8Array): ContentSecret {
  const reader = new ByteReader(joined, 'ARGUMENT_INVALID');
  const secret = { key: reader.take(CONTENT_KEY_BYTES), salt: reader.take(COMMITMENT_SALT_BYTES) };
  joined.fill(0);
  return secret;
}

import { sha256 } from '#native';
import { exactly } from './bytes.ts';
import { tagged } from './context.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import { YILIAN } from './tags.ts';

export const CONTENT_KEY_BYTES = 32;
export const COMMITMENT_SALT_BYTES = 32;

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
 * @param plaintextSha256 32 bytes
 * @returns 32 bytes
 * @throws ARGUMENT_INVALID unless both are 32 bytes
 */
export function commitment(salt: Uint8Array, plaintextSha256: Uint8Array): Uint8Array {
  const ownSalt = exactly(salt, COMMITMENT_SALT_BYTES, 'ARGUMENT_INVALID', 'a commitment salt');
  const hash = exactly(plaintextSha256, 32, 'ARGUMENT_INVALID', 'a SHA-256 hash');
  return sha256(tagged(YILIAN.commitment, ownSalt, hash));
}

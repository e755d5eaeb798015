import { concat } from './bytes.ts';
import type { Capsule } from './capsule.ts';
import { decapsulateOriginal, encapsulate } from './capsule.ts';
import type { Reencrypted } from './opening.ts';
import { decapsulateReencrypted } from './opening.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';

/**
 * Encrypts a small message, in suite 1 as other Umbral implementations do: nonce 24 | ciphertext | tag 16, bound to the
 * capsule.
 */
export function encrypt(
  key: PublicKey,
  plaintext: Uint8Array,
  rng: Rng = systemRng,
): { capsule: Capsule; ciphertext: Uint8Array } {
  const { capsule, key: symmetric } = encapsulate(key, rng);
  const { message } = key.suite;
  const nonce = draw(rng, message.nonceBytes);
  const ciphertext = concat(nonce, message.seal(symmetric, nonce, capsule.toBytes(), plaintext));
  symmetric.fill(0);
  return { capsule, ciphertext };
}

/** Owner side. @throws CIPHERTEXT_INVALID under another key or when anything was changed */
export function decryptOriginal(secret: SecretKey, capsule: Capsule, ciphertext: Uint8Array): Uint8Array {
  return decrypt(decapsulateOriginal(secret, capsule), capsule, ciphertext);
}

/**
 * Receiver side.
 * @throws THRESHOLD, CFRAG_INVALID as `decapsulateReencrypted`, CIPHERTEXT_INVALID when the ciphertext was changed
 */
export function decryptReencrypted(parts: Reencrypted & { readonly ciphertext: Uint8Array }): Uint8Array {
  return decrypt(decapsulateReencrypted(parts), parts.capsule, parts.ciphertext);
}

function decrypt(symmetric: Uint8Array, capsule: Capsule, ciphertext: Uint8Array): Uint8Array {
  const { message } = capsule.suite;
  const { nonceBytes } = message;
  try {
    if (ciphertext.length < nonceBytes + message.tagBytes)
      throw new PreError('CIPHERTEXT_INVALID', 'shorter than its nonce');
    const sealed = ciphertext.subarray(nonceBytes);
    const plaintext = message.open(symmetric, ciphertext.subarray(0, nonceBytes), capsule.toBytes(), sealed);
    if (plaintext === undefined) throw new PreError('CIPHERTEXT_INVALID', 'the ciphertext does not open with this key');
    return plaintext;
  } finally {
    symmetric.fill(0);
  }
}

import { bytesToNumberBE, equalBytes } from '@noble/curves/utils.js';
import { sm3 } from '#native-sm';
import { concat } from '../bytes.ts';
import { randomScalar, SCALAR_BYTES } from '../curve.ts';
import { PreError } from '../pre-error.ts';
import type { Rng } from '../rng.ts';
import { systemRng } from '../rng.ts';
import { sm2Group } from './group-sm2.ts';
import { sm2Kdf } from './kdf.ts';
import type { Sm2Point } from './sm2-curve.ts';
import { decodePoint, decodePublicKey, decodeSecretKey, G, UNCOMPRESSED_BYTES } from './sm2-curve.ts';

const CODE = 'CIPHERTEXT_INVALID';
const HASH_BYTES = 32;
const MIN_KEY_BYTES = 32;
const MAX_KEY_BYTES = 64;

/** Bytes a wrapped key is longer than the key: C1 65 | C3 32. */
export const SM2_WRAP_OVERHEAD = UNCOMPRESSED_BYTES + HASH_BYTES;

/**
 * Wraps a key under an SM2 public key: SM2 encryption (GB/T 32918.4-2016), C1 uncompressed | C3 | C2. It binds no context
 * and does not say who wrapped it.
 * @param recipient 33 bytes
 * @param key 32 to 64 bytes
 * @throws KEY_INVALID, ARGUMENT_INVALID on another size, RANDOM_INVALID
 */
export function wrapKey(recipient: Uint8Array, key: Uint8Array, rng: Rng = systemRng): Uint8Array {
  if (key.length < MIN_KEY_BYTES || key.length > MAX_KEY_BYTES) {
    throw new PreError('ARGUMENT_INVALID', `a key to wrap is ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes`);
  }
  return encryptWith(bytesToNumberBE(randomScalar({ group: sm2Group }, rng)), decodePublicKey(recipient), key);
}

/** @param secret 32 bytes. @throws KEY_INVALID, CIPHERTEXT_INVALID under another key or when anything was changed */
export function unwrapKey(secret: Uint8Array, wrapped: Uint8Array): Uint8Array {
  const size = wrapped.length - SM2_WRAP_OVERHEAD;
  if (size < MIN_KEY_BYTES || size > MAX_KEY_BYTES) throw new PreError(CODE, 'not the size of a wrapped key');
  return decrypt(decodeSecretKey(secret), wrapped);
}

/** GB/T 32918.4-2016 §6.1 with nonce k and a message of 16 bytes or more. @throws RANDOM_INVALID */
export function encryptWith(k: bigint, recipient: Sm2Point, message: Uint8Array): Uint8Array {
  const shared = recipient.multiply(k).toBytes(false).subarray(1);
  const mask = sm2Kdf(shared, message.length);
  // The standard draws another k; so long a mask of zeros only ever comes from something broken.
  if (mask.every((byte) => byte === 0)) throw new PreError('RANDOM_INVALID', 'the key derivation gave only zeros');
  const wrapped = concat(G.multiply(k).toBytes(false), checksum(shared, message), xor(message, mask));
  shared.fill(0);
  mask.fill(0);
  return wrapped;
}

/** GB/T 32918.4-2016 §7.1. @throws CIPHERTEXT_INVALID */
export function decrypt(d: bigint, ciphertext: Uint8Array): Uint8Array {
  // A C1 off the curve is refused: its multiple would tell of the secret. With cofactor 1 there is no more to check.
  const c1 = decodePoint(ciphertext.subarray(0, UNCOMPRESSED_BYTES), UNCOMPRESSED_BYTES, CODE);
  const c3 = ciphertext.subarray(UNCOMPRESSED_BYTES, SM2_WRAP_OVERHEAD);
  const c2 = ciphertext.subarray(SM2_WRAP_OVERHEAD);
  const shared = c1.multiply(d).toBytes(false).subarray(1);
  const mask = sm2Kdf(shared, c2.length);
  const message = xor(c2, mask);
  const authentic = equalBytes(checksum(shared, message), c3) && mask.some((byte) => byte !== 0);
  shared.fill(0);
  mask.fill(0);
  if (authentic) return message;
  message.fill(0);
  throw new PreError(CODE, 'wrapped for another key, or changed');
}

/** C3 = SM3(x2 | message | y2). */
function checksum(shared: Uint8Array, message: Uint8Array): Uint8Array {
  return sm3(shared.subarray(0, SCALAR_BYTES), message, shared.subarray(SCALAR_BYTES));
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, at) => byte ^ (b[at] as number));
}

import { equalBytes } from '@noble/ciphers/utils.js';
import { hmacSm3, sm4Ctr } from '#native-sm';
import { concat, integer, utf8 } from '../bytes.ts';
import { PreError } from '../pre-error.ts';
import { hkdfSm3 } from './kdf.ts';
import { SM } from './tags.ts';

export const SM_NONCE_BYTES = 12;
export const SM_TAG_BYTES = 32;

/** Largest plaintext in bytes: a long way from where the 32-bit block counter would run over. */
export const SM_MAX_PLAINTEXT = 2 ** 30;

const CIPHER_KEY_BYTES = 16;
const MAC_KEY_BYTES = 32;
const FIRST_BLOCK = new Uint8Array(4);

/**
 * SM4-CTR, then HMAC-SM3 (encrypt-then-MAC): ciphertext, then the 32-byte tag. A key never sees a nonce twice.
 * @param key 32 bytes
 * @param nonce 12 bytes
 * @throws ARGUMENT_INVALID above 1 GiB
 */
export function seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const { ciphertext, tag } = sealApart(key, nonce, aad, plaintext);
  return concat(ciphertext, tag);
}

/** What `seal` gives, in two parts. @throws ARGUMENT_INVALID above 1 GiB */
export function sealApart(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): { ciphertext: Uint8Array; tag: Uint8Array } {
  if (plaintext.length > SM_MAX_PLAINTEXT) throw new PreError('ARGUMENT_INVALID', 'at most 1 GiB is sealed at once');
  const { macKey, cipherKey } = keysOf(key);
  const ciphertext = sm4Ctr(cipherKey, concat(nonce, FIRST_BLOCK), plaintext);
  const tag = tagOf(macKey, nonce, aad, ciphertext);
  cipherKey.fill(0);
  macKey.fill(0);
  return { ciphertext, tag };
}

/** The plaintext, or nothing when the tag does not hold. */
export function open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const size = sealed.length - SM_TAG_BYTES;
  if (size < 0 || size > SM_MAX_PLAINTEXT) return undefined;
  const { macKey, cipherKey } = keysOf(key);
  const ciphertext = sealed.subarray(0, size);
  const authentic = equalBytes(tagOf(macKey, nonce, aad, ciphertext), sealed.subarray(size));
  const plaintext = authentic ? sm4Ctr(cipherKey, concat(nonce, FIRST_BLOCK), ciphertext) : undefined;
  cipherKey.fill(0);
  macKey.fill(0);
  return plaintext;
}

/** The MAC key is one whole block of HKDF, so that two keys with the same MAC key would be a collision in SM3. */
function keysOf(key: Uint8Array) {
  const okm = hkdfSm3(key, utf8(SM.aead), MAC_KEY_BYTES + CIPHER_KEY_BYTES);
  const keys = { macKey: okm.slice(0, MAC_KEY_BYTES), cipherKey: okm.slice(MAC_KEY_BYTES) };
  okm.fill(0);
  return keys;
}

/** The lengths stand in front, so that no byte can move from one part to the other. */
function tagOf(macKey: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return hmacSm3(macKey, nonce, integer(aad.length, 8), integer(ciphertext.length, 8), aad, ciphertext);
}

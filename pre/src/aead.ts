import { hchacha } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { open, seal } from '#native';
import { utf8 } from './bytes.ts';

export const TAG_BYTES = 16;
export const XNONCE_BYTES = 24;

const SIGMA = words(utf8('expand 32-byte k'));

/** HKDF-SHA256 without salt unless given (RFC 5869). */
export function derive(ikm: Uint8Array, info: Uint8Array, length: number, salt?: Uint8Array): Uint8Array {
  return hkdf(sha256, ikm, salt, info, length);
}

/** XChaCha20-Poly1305: HChaCha20 subkey of the first 16 nonce bytes, then RFC 8439 with 0⁴ and the last 8. */
export function xseal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const subkey = subkeyOf(key, nonce);
  const sealed = seal(subkey, innerNonce(nonce), aad, plaintext);
  subkey.fill(0);
  return sealed;
}

/** The plaintext, or nothing when the tag does not hold. */
export function xopen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const subkey = subkeyOf(key, nonce);
  const plaintext = open(subkey, innerNonce(nonce), aad, sealed);
  subkey.fill(0);
  return plaintext;
}

function subkeyOf(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const keyWords = words(key);
  const subkey = new Uint32Array(8);
  hchacha(SIGMA, keyWords, words(nonce.subarray(0, 16)), subkey);
  keyWords.fill(0);
  return new Uint8Array(subkey.buffer);
}

function innerNonce(nonce: Uint8Array): Uint8Array {
  const inner = new Uint8Array(12);
  inner.set(nonce.subarray(16), 4);
  return inner;
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}

import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat } from './bytes.ts';

const HASH_BYTES = 32;

/**
 * The nonces that RFC 6979 §3.2 proposes one after the other for SHA-256 and a group order of 256 bits, each 32 bytes. Not
 * every one is a scalar; the caller takes the first that serves, and ends the loop, which wipes the generator's state.
 * @param secret 32 bytes
 * @param hash the message's, as a scalar
 * @param entropy the additional data of §3.6
 */
export function* nonces(secret: Uint8Array, hash: Uint8Array, entropy: Uint8Array): Generator<Uint8Array, never> {
  let key = new Uint8Array(HASH_BYTES);
  let value = new Uint8Array(HASH_BYTES).fill(1);
  const step = (...data: readonly Uint8Array[]) => {
    const message = concat(value, ...data);
    const nextKey = hmac(sha256, key, message);
    const nextValue = hmac(sha256, nextKey, value);
    for (const used of [message, key, value]) used.fill(0);
    key = nextKey;
    value = nextValue;
  };
  try {
    step(Uint8Array.of(0), secret, hash, entropy);
    step(Uint8Array.of(1), secret, hash, entropy);
    for (;;) {
      const next = hmac(sha256, key, value);
      value.fill(0);
      value = next;
      yield new Uint8Array(next);
      step(Uint8Array.of(0));
    }
  } finally {
    key.fill(0);
    value.fill(0);
  }
}

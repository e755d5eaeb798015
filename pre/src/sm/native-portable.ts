import { hmac } from '@noble/hashes/hmac.js';
import { sm3Hash } from './sm3.ts';

export { sm4Ctr } from './sm4.ts';

/** SM3 of the concatenated parts, 32 bytes. */
export function sm3(...parts: readonly Uint8Array[]): Uint8Array {
  const state = sm3Hash.create();
  for (const part of parts) state.update(part);
  return state.digest();
}

/** HMAC-SM3 of the concatenated parts, 32 bytes. */
export function hmacSm3(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = hmac.create(sm3Hash, key);
  for (const part of parts) state.update(part);
  return state.digest();
}

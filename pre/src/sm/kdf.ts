import { hmacSm3, sm3 } from '#native-sm';
import { concat, integer } from '../bytes.ts';

const BLOCK_BYTES = 32;

/** HKDF (RFC 5869) with HMAC-SM3, without salt unless given; at most 255 · 32 bytes. */
export function hkdfSm3(ikm: Uint8Array, info: Uint8Array, length: number, salt?: Uint8Array): Uint8Array {
  const extracted = hmacSm3(salt ?? new Uint8Array(BLOCK_BYTES), ikm);
  const okm = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array();
  for (let at = 0, counter = 1; at < length; at += BLOCK_BYTES, counter++) {
    const next = hmacSm3(extracted, block, info, Uint8Array.of(counter));
    okm.set(next.subarray(0, length - at), at);
    block.fill(0);
    block = next;
  }
  extracted.fill(0);
  block.fill(0);
  return okm;
}

/** The key derivation function of SM2 (GB/T 32918.4-2016 §5.4.3): SM3 of the secret and a block number, from 1 on. */
export function sm2Kdf(secret: Uint8Array, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / BLOCK_BYTES) }, (_, at) => sm3(secret, integer(at + 1, 4)));
  const derived = concat(...blocks);
  for (const block of blocks) block.fill(0);
  const key = derived.slice(0, length);
  derived.fill(0);
  return key;
}

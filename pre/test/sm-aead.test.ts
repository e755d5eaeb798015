import { createCipheriv, createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { open, SM_MAX_PLAINTEXT, SM_TAG_BYTES, seal } from '../src/sm/aead.ts';
import { flipped, outcome, seeded, toHex } from './fixtures.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyBytes = fc.uint8Array({ maxLength: 300 });
const rng = seeded('sm aead');

function u64(value: number): Buffer {
  const encoded = Buffer.alloc(8);
  encoded.writeBigUInt64BE(BigInt(value));
  return encoded;
}

describe('SM4-CTR with HMAC-SM3', () => {
  test('opens what it sealed, 32 bytes longer', () => {
    const property = fc.property(bytes(32), bytes(12), anyBytes, anyBytes, (key, nonce, aad, plaintext) => {
      const sealed = seal(key, nonce, aad, plaintext);
      expect(sealed.length).toBe(plaintext.length + SM_TAG_BYTES);
      expect(open(key, nonce, aad, sealed)).toEqual(plaintext);
    });
    fc.assert(property);
  });

  test('is what the specification says, computed with node:crypto alone', () => {
    const property = fc.property(bytes(32), bytes(12), anyBytes, anyBytes, (key, nonce, aad, plaintext) => {
      const info = 'yilian/sm4-ctr-hmac-sm3/v1';
      const okm = Buffer.from(hkdfSync('sm3', key, Buffer.alloc(0), info, 48));
      const cipher = createCipheriv('sm4-ctr', okm.subarray(32), Buffer.concat([nonce, Buffer.alloc(4)]));
      const ciphertext = cipher.update(plaintext);
      const lengths = Buffer.concat([nonce, u64(aad.length), u64(ciphertext.length)]);
      const tag = createHmac('sm3', okm.subarray(0, 32)).update(lengths).update(aad).update(ciphertext).digest();
      expect(toHex(seal(key, nonce, aad, plaintext))).toBe(toHex(Buffer.concat([ciphertext, tag])));
    });
    fc.assert(property);
  });

  test('opens nothing that was changed, moved or cut', () => {
    const [key, nonce, aad, plaintext] = [rng(32), rng(12), rng(7), rng(40)];
    const sealed = seal(key, nonce, aad, plaintext);
    for (const at of sealed.keys()) expect(open(key, nonce, aad, flipped(sealed, at, 0x80))).toBeUndefined();
    for (const at of key.keys()) expect(open(flipped(key, at), nonce, aad, sealed)).toBeUndefined();
    for (const at of nonce.keys()) expect(open(key, flipped(nonce, at), aad, sealed)).toBeUndefined();
    for (const at of aad.keys()) expect(open(key, nonce, flipped(aad, at), sealed)).toBeUndefined();
    for (const length of sealed.keys()) expect(open(key, nonce, aad, sealed.subarray(0, length))).toBeUndefined();
    expect(open(key, nonce, aad, new Uint8Array(Buffer.concat([sealed, Buffer.alloc(1)])))).toBeUndefined();
  });

  test('tells the end of the additional data from the start of the ciphertext', () => {
    const [key, nonce, aad, plaintext] = [rng(32), rng(12), rng(8), rng(40)];
    const sealed = seal(key, nonce, aad, plaintext);
    const moved = new Uint8Array(Buffer.concat([aad, sealed.subarray(0, 1)]));
    expect(open(key, nonce, moved, sealed.subarray(1))).toBeUndefined();
    const back = new Uint8Array(Buffer.concat([aad.subarray(7), sealed]));
    expect(open(key, nonce, aad.subarray(0, 7), back)).toBeUndefined();
  });

  test('seals at most 1 GiB', () => {
    const tooLong = new Uint8Array(SM_MAX_PLAINTEXT + 1);
    expect(outcome(() => seal(rng(32), rng(12), rng(0), tooLong))).toBe('ARGUMENT_INVALID');
  });
});

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { xopen, xseal } from '../src/aead.ts';
import * as noble from '../src/native-noble.ts';
import * as node from '../src/native-node.ts';
import { flipped, seeded } from './fixtures.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyBytes = fc.uint8Array({ maxLength: 300 });

describe('the native and the portable primitives', () => {
  test('Node takes the native ones', async () => {
    const chosen = await import('#native');
    expect(chosen.seal).toBe(node.seal);
  });

  test('offer the same functions', () => {
    expect(Object.keys(node).sort()).toEqual(Object.keys(noble).sort());
  });

  test('seal to the same bytes and open each other', () => {
    const property = fc.property(bytes(32), bytes(12), anyBytes, anyBytes, (key, nonce, aad, plaintext) => {
      const sealed = node.seal(key, nonce, aad, plaintext);
      expect(sealed).toEqual(noble.seal(key, nonce, aad, plaintext));
      for (const { sealApart } of [node, noble]) {
        const { ciphertext, tag } = sealApart(key, nonce, aad, plaintext);
        expect([ciphertext, tag]).toEqual([sealed.slice(0, plaintext.length), sealed.slice(plaintext.length)]);
      }
      expect(node.open(key, nonce, aad, sealed)).toEqual(plaintext);
      expect(noble.open(key, nonce, aad, sealed)).toEqual(plaintext);
    });
    fc.assert(property);
  });

  test('hash to the same bytes, however the input is cut', () => {
    const property = fc.property(fc.array(anyBytes, { maxLength: 5 }), (parts) => {
      const whole = new Uint8Array(Buffer.concat(parts));
      expect(node.sha256(...parts)).toEqual(noble.sha256(whole));
      expect(noble.sha256(...parts)).toEqual(node.sha256(whole));
    });
    fc.assert(property);
  });

  test('both open nothing that was changed or is too short', () => {
    const rng = seeded('native');
    const [key, nonce, aad, plaintext] = [rng(32), rng(12), rng(7), rng(40)];
    const sealed = node.seal(key, nonce, aad, plaintext);
    for (const { open } of [node, noble]) {
      for (const at of sealed.keys()) expect(open(key, nonce, aad, flipped(sealed, at))).toBeUndefined();
      expect(open(flipped(key, 0), nonce, aad, sealed)).toBeUndefined();
      expect(open(key, flipped(nonce, 11), aad, sealed)).toBeUndefined();
      expect(open(key, nonce, flipped(aad, 0), sealed)).toBeUndefined();
      for (const length of [0, 15, 16, 55]) expect(open(key, nonce, aad, sealed.subarray(0, length))).toBeUndefined();
    }
  });

  test('XChaCha20-Poly1305 is that of noble', () => {
    const property = fc.property(bytes(32), bytes(24), anyBytes, anyBytes, (key, nonce, aad, plaintext) => {
      const sealed = xchacha20poly1305(key, nonce, aad).encrypt(plaintext);
      expect(xseal(key, nonce, aad, plaintext)).toEqual(sealed);
      expect(xopen(key, nonce, aad, sealed)).toEqual(plaintext);
    });
    fc.assert(property);
  });
});

import { createCipheriv } from 'node:crypto';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { describe, expect, test } from 'vitest';
import * as node from '../src/sm/native-node.ts';
import * as portable from '../src/sm/native-portable.ts';
import { decodePoint, decodeSecretKey, UNCOMPRESSED_BYTES } from '../src/sm/sm2-curve.ts';
import { digest, identityHash, signWith, verifySm2 } from '../src/sm/sm2-signature.ts';
import { decrypt, encryptWith } from '../src/sm/sm2-wrap.ts';
import { sm4Blocks } from '../src/sm/sm4.ts';
import { hex, readVectors, sm2PublicKey, toHex } from './fixtures.ts';

interface Standards {
  readonly sm3: { readonly name: string; readonly message: string; readonly digest: string }[];
  readonly hmacSm3: { readonly name: string; readonly key: string; readonly message: string; readonly mac: string }[];
  readonly sm4: {
    readonly key: string;
    readonly plaintext: string;
    readonly once: string;
    readonly millionTimes: string;
  };
  readonly sm4Ctr: {
    readonly name: string;
    readonly key: string;
    readonly counter: string;
    readonly plaintext: string;
    readonly ciphertext: string;
  }[];
  readonly sm2: {
    readonly secret: string;
    readonly publicKey: string;
    readonly k: string;
    readonly signature: Record<'userId' | 'message' | 'z' | 'e' | 'r' | 's', string>;
    readonly encryption: Record<'message' | 'c1' | 'c2' | 'c3', string>;
  };
}

const standards = readVectors<Standards>('sm-standards');

describe.each([
  ['native', node],
  ['portable', portable],
])('%s primitives', (_engine, { hmacSm3, sm3, sm4Ctr }) => {
  test.each(standards.sm3)('SM3, $name', ({ message, digest }) => {
    expect(toHex(sm3(hex(message)))).toBe(digest);
  });

  test.each(standards.hmacSm3)('HMAC-SM3, $name', ({ key, message, mac }) => {
    expect(toHex(hmacSm3(hex(key), hex(message)))).toBe(mac);
  });

  test.each(standards.sm4Ctr)('SM4-CTR, $name', ({ key, counter, plaintext, ciphertext }) => {
    expect(toHex(sm4Ctr(hex(key), hex(counter), hex(plaintext)))).toBe(ciphertext);
    expect(toHex(sm4Ctr(hex(key), hex(counter), hex(ciphertext)))).toBe(plaintext);
  });

  test('SM4, GB/T 32907-2016 A.1', () => {
    const { key, plaintext, once } = standards.sm4;
    expect(toHex(sm4Ctr(hex(key), hex(plaintext), new Uint8Array(16)))).toBe(once);
  });
});

test('SM4, GB/T 32907-2016 A.2: a million encryptions, each link of the chain computed here', () => {
  const { key, plaintext, millionTimes } = standards.sm4;
  const cbc = createCipheriv('sm4-cbc', hex(key), hex(plaintext)).setAutoPadding(false);
  // CBC of zeros encrypts the start value over and over.
  const chain = new Uint8Array(Buffer.concat([hex(plaintext), cbc.update(new Uint8Array(16e6)), cbc.final()]));
  const links = sm4Blocks(hex(key), chain.subarray(0, 16e6));
  expect(Buffer.compare(links, chain.subarray(16))).toBe(0);
  expect(toHex(links.subarray(-16))).toBe(millionTimes);
}, 60_000);

describe('SM2, GB/T 32918.5-2017', () => {
  const { secret, publicKey, k, signature, encryption } = standards.sm2;
  const d = decodeSecretKey(hex(secret));
  const nonce = bytesToNumberBE(hex(k));
  const key = decodePoint(hex(publicKey), UNCOMPRESSED_BYTES, 'KEY_INVALID');

  test('the public key', () => {
    expect(sm2PublicKey(hex(secret))).toEqual(key.toBytes());
  });

  test('the signature, appendix A.2', () => {
    const e = digest(key, hex(signature.message), hex(signature.userId));
    expect(toHex(identityHash(key, hex(signature.userId)))).toBe(signature.z);
    expect(e).toBe(bytesToNumberBE(hex(signature.e)));
    const made = signWith(nonce, e, d);
    expect(made && toHex(made)).toBe(signature.r + signature.s);
    expect(verifySm2(key.toBytes(), hex(signature.message), hex(signature.r + signature.s))).toBe(true);
  });

  test('the encryption, appendix C.2', () => {
    const ciphertext = encryption.c1 + encryption.c3 + encryption.c2;
    expect(toHex(encryptWith(nonce, key, hex(encryption.message)))).toBe(ciphertext);
    expect(toHex(decrypt(d, hex(ciphertext)))).toBe(encryption.message);
  });
});

import { hkdfSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { hashToScalar } from '../src/curve.ts';
import {
  Capsule,
  CapsuleFrag,
  decryptOriginal,
  decryptReencrypted,
  KeyFrag,
  reencrypt,
  SECP256K1_SUITE,
  SecretKey,
} from '../src/index.ts';
import { hex, readVectors, text, toHex } from './fixtures.ts';

interface UmbralVectors {
  readonly delegating_sk: string;
  readonly receiving_sk: string;
  readonly signing_sk: string;
  readonly plaintext: string;
  readonly capsule_simple: string;
  readonly capsule_msgpack: string;
  readonly ciphertext: string;
  readonly kfrags: string[];
  readonly cfrags: string[];
  readonly cfrags_simple: string[];
  readonly skf_seed: string;
  readonly label: string;
  readonly make_key: string;
}

const vectors = readVectors<UmbralVectors>('umbral-pre-0.11.0');
const delegating = SecretKey.fromBytes(hex(vectors.delegating_sk));
const receiving = SecretKey.fromBytes(hex(vectors.receiving_sk));
const keys = {
  verifyingKey: SecretKey.fromBytes(hex(vectors.signing_sk)).publicKey(),
  delegatingKey: delegating.publicKey(),
  receivingKey: receiving.publicKey(),
};
const capsule = Capsule.fromBytes(hex(vectors.capsule_simple));
const ciphertext = hex(vectors.ciphertext);
const kfrags = vectors.kfrags.map((kfrag) => KeyFrag.fromBytes(hex(kfrag)).verify(keys));
const opening = { receivingKey: receiving, delegatingKey: keys.delegatingKey, capsule, ciphertext };

describe('objects made by umbral-pre 0.11.0', () => {
  test('the second generator is the same point', () => {
    expect(SECP256K1_SUITE.u && toHex(SECP256K1_SUITE.u.bytes)).toBe(
      '03079390d0fbe220fc34aab8ecbf49098098036820fadb98c03143e55db8ec73cd',
    );
  });

  test('the capsule reads and writes in both forms', () => {
    expect(toHex(capsule.toBytes())).toBe(vectors.capsule_simple);
    expect(toHex(capsule.toMessagePack())).toBe(vectors.capsule_msgpack);
    expect(toHex(Capsule.fromMessagePack(hex(vectors.capsule_msgpack)).toBytes())).toBe(vectors.capsule_simple);
  });

  test('the owner decrypts', () => {
    expect(toHex(decryptOriginal(delegating, capsule, ciphertext))).toBe(vectors.plaintext);
  });

  test('key fragments verify and write back the same bytes', () => {
    expect(kfrags.map((kfrag) => toHex(kfrag.toBytes()))).toEqual(vectors.kfrags);
  });

  test('capsule fragments read, verify and write back in both forms', () => {
    const cfrags = vectors.cfrags.map((cfrag) => CapsuleFrag.fromMessagePack(hex(cfrag)).verify(capsule, keys));
    expect(cfrags.map((cfrag) => toHex(cfrag.toMessagePack()))).toEqual(vectors.cfrags);
    expect(cfrags.map((cfrag) => toHex(cfrag.toBytes()))).toEqual(vectors.cfrags_simple);
  });

  test('every pair of capsule fragments opens the ciphertext, a single one does not', () => {
    const [a, b, c] = vectors.cfrags_simple.map((cfrag) => CapsuleFrag.fromBytes(hex(cfrag)).verify(capsule, keys));
    if (!a || !b || !c) throw new Error('three fragments expected');
    for (const cfrags of [
      [a, b],
      [b, c],
      [c, a],
      [a, b, c],
    ]) {
      expect(toHex(decryptReencrypted({ ...opening, cfrags }))).toBe(vectors.plaintext);
    }
    expect(() => decryptReencrypted({ ...opening, cfrags: [a] })).toThrow(
      expect.objectContaining({ code: 'THRESHOLD' }),
    );
  });

  test('re-encrypting here with its key fragments opens its ciphertext', () => {
    const cfrags = kfrags.slice(1).map((kfrag) => reencrypt(capsule, kfrag));
    expect(text(decryptReencrypted({ ...opening, cfrags }))).toBe('peace at dawn');
  });

  test('the hash to a scalar is the same', () => {
    const info = new Uint8Array(Buffer.from(`KEY_DERIVATION/${text(hex(vectors.label))}`));
    const okm = new Uint8Array(hkdfSync('sha256', hex(vectors.skf_seed), new Uint8Array(), info, 64));
    expect(toHex(hashToScalar(SECP256K1_SUITE, text(info), okm))).toBe(vectors.make_key);
  });
});

import { secp256k1 } from '@noble/curves/secp256k1.js';
import { describe, expect, test } from 'vitest';
import { concat } from '../src/bytes.ts';
import { hashToScalar, multiply } from '../src/curve.ts';
import { Capsule, CapsuleFrag, KeyFrag, PublicKey, SECP256K1_SUITE, SecretKey, verifySignature } from '../src/index.ts';
import { delegated, flipped, hex, keys, outcome, seeded, signer, spliced } from './fixtures.ts';

const { group, u } = SECP256K1_SUITE;
const { capsule, kfrags, cfrags } = delegated(2, 2, seeded('hostile'));
const [kfrag] = kfrags.map((fragment) => fragment.toBytes());
const [cfrag] = cfrags;
if (!kfrag || !cfrag) throw new Error('fragments expected');

const capsuleBytes = capsule.toBytes();
const capsulePacked = capsule.toMessagePack();
const cfragBytes = cfrag.toBytes();
const cfragPacked = cfrag.toMessagePack();

const readers = {
  capsule: { bytes: capsuleBytes, read: (bytes: Uint8Array) => Capsule.fromBytes(bytes) },
  packedCapsule: { bytes: capsulePacked, read: (bytes: Uint8Array) => Capsule.fromMessagePack(bytes) },
  kfrag: { bytes: kfrag, read: (bytes: Uint8Array) => KeyFrag.fromBytes(bytes).verify(keys) },
  cfrag: { bytes: cfragBytes, read: (bytes: Uint8Array) => CapsuleFrag.fromBytes(bytes).verify(capsule, keys) },
  packedCfrag: {
    bytes: cfragPacked,
    read: (bytes: Uint8Array) => CapsuleFrag.fromMessagePack(bytes).verify(capsule, keys),
  },
} as const;
const names = Object.keys(readers) as (keyof typeof readers)[];

/** Offsets of fields in the 310 bytes of a key fragment and the 359 of a capsule fragment. */
const KFRAG = { u: 4, rk: 73, precursor: 107, commitment: 143, signatureForProxy: 178, signatureForReceiver: 244 };
const CFRAG = { e1: 0, z: 263, signature: 295 };

const scalar = (value: number) => hex(value.toString(16).padStart(64, '0'));

function highS(signature: Uint8Array): Uint8Array {
  return concat(signature.subarray(0, 32), group.negate(signature.subarray(32)));
}

describe('every object from outside', () => {
  test.each(names)('%s: reads as it is', (name) => {
    expect(outcome(() => readers[name].read(readers[name].bytes))).toBe('success');
  });

  test.each(names)('%s: one byte changed anywhere is refused', { timeout: 30_000 }, (name) => {
    const { bytes, read } = readers[name];
    const accepted = Array.from(bytes.keys()).filter(
      (at) => outcome(() => read(flipped(bytes, at, at % 2 === 0 ? 1 : 0x40))) === 'success',
    );
    expect(accepted).toEqual([]);
  });

  test.each(names)('%s: a missing or a trailing byte is refused', (name) => {
    const { bytes, read } = readers[name];
    const code = name.toLowerCase().replace('packed', '').toUpperCase();
    for (const changed of [
      concat(bytes, Uint8Array.of(0)),
      bytes.subarray(1),
      bytes.subarray(0, -1),
      new Uint8Array(),
    ]) {
      expect(outcome(() => read(changed))).toBe(`${code}_INVALID`);
    }
    expect(outcome(() => read('bytes' as unknown as Uint8Array))).toBe(`${code}_INVALID`);
  });

  test('later writes to the bytes they were read from change nothing', () => {
    const source = Buffer.from(capsuleBytes);
    const read = Capsule.fromBytes(source);
    source.fill(0);
    expect(read.toBytes()).toEqual(capsuleBytes);
    read.toBytes().fill(0);
    expect(read.toBytes()).toEqual(capsuleBytes);
  });
});

describe('MessagePack', () => {
  const eByWidth = capsulePacked.subarray(3, 36);
  test.each([
    ['bin16 for bin8', spliced(capsulePacked, 1, hex('c50021'), 2)],
    ['bin32 for bin8', spliced(capsulePacked, 1, hex('c600000021'), 2)],
    ['array16 for a short array', spliced(capsulePacked, 0, hex('dc0003'), 1)],
    ['a string for bytes', spliced(capsulePacked, 1, hex('d921'), 2)],
    ['a map with field names', concat(hex('83a7706f696e745f65'), capsulePacked.subarray(1))],
    ['an uncompressed point', spliced(capsulePacked, 1, concat(hex('c441'), uncompressed(eByWidth)), 35)],
    ['the identity as one byte', spliced(capsulePacked, 1, hex('c40100'), 35)],
  ])('%s is refused', (_form, packed) => {
    expect(outcome(() => Capsule.fromMessagePack(packed))).toBe('CAPSULE_INVALID');
  });

  test('a flag of a key fragment is true or false, nothing else', () => {
    for (const flag of [0x00, 0x01, 0xc0, 0xc1, 0xc4]) {
      expect(outcome(() => KeyFrag.fromBytes(spliced(kfrag, 308, Uint8Array.of(flag))))).toBe('KFRAG_INVALID');
    }
  });
});

function uncompressed(compressed: Uint8Array): Uint8Array {
  return secp256k1.Point.fromBytes(compressed).toBytes(false);
}

describe('points and scalars', () => {
  const order = hex(secp256k1.Point.Fn.ORDER.toString(16));
  test.each([
    ['zero', new Uint8Array(32)],
    ['the group order', order],
    ['more than the group order', new Uint8Array(32).fill(255)],
  ])('%s is no scalar', (_name, scalar) => {
    expect(outcome(() => SecretKey.fromBytes(scalar))).toBe('KEY_INVALID');
    expect(outcome(() => Capsule.fromBytes(spliced(capsuleBytes, 66, scalar)))).toBe('CAPSULE_INVALID');
    expect(outcome(() => KeyFrag.fromBytes(spliced(kfrag, KFRAG.rk, scalar)))).toBe('KFRAG_INVALID');
    expect(outcome(() => CapsuleFrag.fromBytes(spliced(cfragBytes, CFRAG.z, scalar)))).toBe('CFRAG_INVALID');
  });

  test.each([
    ['the identity padded with zeros', new Uint8Array(33)],
    ['an x that is not on the curve', hex(`02${'0'.repeat(63)}5`)],
    ['an x above the field', hex(`02${'f'.repeat(64)}`)],
    ['a hybrid prefix', concat(Uint8Array.of(6), capsuleBytes.subarray(1, 33))],
    ['an uncompressed prefix', concat(Uint8Array.of(4), capsuleBytes.subarray(1, 33))],
  ])('%s is no point', (_name, point) => {
    expect(outcome(() => PublicKey.fromBytes(point))).toBe('KEY_INVALID');
    expect(outcome(() => Capsule.fromBytes(spliced(capsuleBytes, 0, point)))).toBe('CAPSULE_INVALID');
    expect(outcome(() => KeyFrag.fromBytes(spliced(kfrag, KFRAG.precursor, point)))).toBe('KFRAG_INVALID');
    expect(outcome(() => KeyFrag.fromBytes(spliced(kfrag, KFRAG.commitment, point)))).toBe('KFRAG_INVALID');
    for (const at of [0, 33, 98, 131, 164, 197, 230]) {
      expect(outcome(() => CapsuleFrag.fromBytes(spliced(cfragBytes, at, point)))).toBe('CFRAG_INVALID');
    }
  });

  test('a public key is never uncompressed or empty', () => {
    expect(outcome(() => PublicKey.fromBytes(uncompressed(keys.delegatingKey.toBytes())))).toBe('KEY_INVALID');
    expect(outcome(() => PublicKey.fromBytes(new Uint8Array(1)))).toBe('KEY_INVALID');
  });

  test('a capsule whose points cancel out is refused although its proof holds', () => {
    const r = scalar(5);
    const [e, v] = [r, group.negate(r)].map((scalar) => multiply(group, scalar, group.generator).bytes);
    if (!e || !v) throw new Error('points expected');
    const s = group.addScalars(
      group.negate(r),
      group.multiplyScalars(r, hashToScalar(SECP256K1_SUITE, 'CAPSULE_POINTS', e, v)),
    );
    const bytes = concat(e, v, s);
    expect(outcome(() => Capsule.fromBytes(bytes))).toBe('CAPSULE_INVALID');
  });
});

describe('forgeries', () => {
  test('a key fragment with a parameter u of its own is refused, whatever its commitment says', () => {
    const commitment = secp256k1.Point.fromBytes(kfrag.subarray(KFRAG.commitment, KFRAG.commitment + 33));
    const foreignU = commitment.multiply(secp256k1.Point.Fn.inv(12345n)).toBytes();
    const forged = spliced(spliced(kfrag, KFRAG.u, foreignU), KFRAG.rk, scalar(12345));
    expect(foreignU).not.toEqual(u?.bytes);
    expect(outcome(() => KeyFrag.fromBytes(forged).verify(keys))).toBe('KFRAG_INVALID');
  });

  test('a share exchanged under the right u is refused', () => {
    const forged = spliced(kfrag, KFRAG.rk, scalar(12345));
    expect(outcome(() => KeyFrag.fromBytes(forged).verify(keys))).toBe('KFRAG_INVALID');
  });

  test('a high s is refused in signatures and fragments', () => {
    const message = new Uint8Array(5);
    const signature = signer.sign(message, seeded('high'));
    expect(verifySignature(keys.verifyingKey, message, signature)).toBe(true);
    expect(verifySignature(keys.verifyingKey, message, highS(signature))).toBe(false);
    for (const at of [KFRAG.signatureForProxy, KFRAG.signatureForReceiver]) {
      const malleated = spliced(kfrag, at, highS(kfrag.subarray(at, at + 64)));
      expect(outcome(() => KeyFrag.fromBytes(malleated))).toBe('KFRAG_INVALID');
    }
    const malleated = spliced(cfragBytes, CFRAG.signature, highS(cfragBytes.subarray(CFRAG.signature)));
    expect(outcome(() => CapsuleFrag.fromBytes(malleated))).toBe('CFRAG_INVALID');
  });

  test('a signature is 64 bytes of the right message, and false rather than an error otherwise', () => {
    const message = new Uint8Array(5);
    const signature = signer.sign(message, seeded('form'));
    const forms = [signature.subarray(1), concat(signature, Uint8Array.of(0)), new Uint8Array(64), new Uint8Array()];
    for (const form of forms) expect(verifySignature(keys.verifyingKey, message, form)).toBe(false);
    expect(verifySignature(keys.verifyingKey, new Uint8Array(6), signature)).toBe(false);
    expect(verifySignature(keys.delegatingKey, message, signature)).toBe(false);
  });

  test('signing twice gives two signatures, both valid and low', () => {
    const message = new Uint8Array(9);
    const [one, other] = [signer.sign(message), signer.sign(message)];
    expect(one).not.toEqual(other);
    expect([one, other].map((signature) => verifySignature(keys.verifyingKey, message, signature))).toEqual([
      true,
      true,
    ]);
  });
});

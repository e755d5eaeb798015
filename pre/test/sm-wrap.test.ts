import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { G, Sm2, scalars } from '../src/sm/sm2-curve.ts';
import { SM2_WRAP_OVERHEAD, unwrapKey, wrapKey } from '../src/sm/sm2-wrap.ts';
import { flipped, outcome, seeded, sm2PublicKey, sm2SecretKey, spliced } from './fixtures.ts';

const rng = seeded('sm wrap');
const secret = sm2SecretKey(rng);
const recipient = sm2PublicKey(secret);

describe('SM2 key wrap', () => {
  test('unwraps keys of 32 to 64 bytes, 97 bytes longer when wrapped', () => {
    const property = fc.property(fc.uint8Array({ minLength: 32, maxLength: 64 }), (key) => {
      const wrapped = wrapKey(recipient, key, rng);
      expect(wrapped.length).toBe(key.length + SM2_WRAP_OVERHEAD);
      expect(unwrapKey(secret, wrapped)).toEqual(key);
    });
    fc.assert(property, { numRuns: 40 });
  });

  test('wraps the same key differently each time', () => {
    const key = rng(32);
    expect(wrapKey(recipient, key)).not.toEqual(wrapKey(recipient, key));
  });

  test('refuses other sizes', () => {
    for (const size of [0, 31, 65]) {
      expect(outcome(() => wrapKey(recipient, rng(size)))).toBe('ARGUMENT_INVALID');
      expect(outcome(() => unwrapKey(secret, rng(size + SM2_WRAP_OVERHEAD)))).toBe('CIPHERTEXT_INVALID');
    }
    expect(outcome(() => unwrapKey(secret, rng(0)))).toBe('CIPHERTEXT_INVALID');
  });

  test('refuses another key, every flipped bit and every missing byte', () => {
    const wrapped = wrapKey(recipient, rng(32), rng);
    expect(outcome(() => unwrapKey(sm2SecretKey(rng), wrapped))).toBe('CIPHERTEXT_INVALID');
    for (const at of wrapped.keys()) {
      const changed = flipped(wrapped, at, 1 << (at % 8));
      expect(outcome(() => unwrapKey(secret, changed))).toBe('CIPHERTEXT_INVALID');
    }
    expect(outcome(() => unwrapKey(secret, wrapped.subarray(0, -1)))).toBe('CIPHERTEXT_INVALID');
    expect(outcome(() => unwrapKey(secret, wrapped.subarray(1)))).toBe('CIPHERTEXT_INVALID');
  });

  test('refuses a C1 on another curve, the identity, a coordinate not below p and other forms of a point', () => {
    const wrapped = wrapKey(recipient, rng(33), rng);
    const withC1 = (c1: Uint8Array) => outcome(() => unwrapKey(secret, spliced(wrapped, 0, c1, 65)));
    const { p } = Sm2.CURVE();
    const coordinate = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
    const uncompressed = (x: bigint, y: bigint) =>
      new Uint8Array(Buffer.concat([Uint8Array.of(4), coordinate(x), coordinate(y)]));
    const { x, y } = G.toAffine();
    expect(withC1(wrapped.subarray(0, 65))).toBe('success');
    // (x, y) with another y lies on the curve y² = x³ + ax + b' for some other b'.
    expect(withC1(uncompressed(x, y + 1n))).toBe('CIPHERTEXT_INVALID');
    expect(withC1(uncompressed(0n, 0n))).toBe('CIPHERTEXT_INVALID');
    expect(withC1(new Uint8Array(65))).toBe('CIPHERTEXT_INVALID');
    expect(withC1(flipped(wrapped.subarray(0, 65), 0, 2))).toBe('CIPHERTEXT_INVALID');
    expect(withC1(wrapped.subarray(1, 66))).toBe('CIPHERTEXT_INVALID');
    const small = smallXPoint(p);
    expect(withC1(uncompressed(small.x + p, small.y))).toBe('CIPHERTEXT_INVALID');
  });

  test('needs keys of the SM2 curve', () => {
    expect(outcome(() => wrapKey(flipped(recipient, 0, 6), rng(32)))).toBe('KEY_INVALID');
    expect(outcome(() => unwrapKey(new Uint8Array(32), wrapKey(recipient, rng(32))))).toBe('KEY_INVALID');
    expect(outcome(() => unwrapKey(scalars.toBytes(scalars.ORDER - 1n), wrapKey(recipient, rng(32))))).toBe(
      'KEY_INVALID',
    );
  });
});

/** A point whose x plus p still fits into 32 bytes. */
function smallXPoint(p: bigint): { x: bigint; y: bigint } {
  const { a, b } = Sm2.CURVE();
  for (let x = 0n; ; x++) {
    const square = (x ** 3n + a * x + b) % p;
    try {
      return { x, y: Sm2.Fp.sqrt(square) };
    } catch {
      // Not a square: the next x.
    }
  }
}

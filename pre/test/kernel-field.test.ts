import { secp256k1 } from '@noble/curves/secp256k1.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { integerOf } from '../kernel/differential.ts';
import { instantiateKernel, type Kernel } from '../src/group-wasm.ts';

/** Functions of single files of the kernel, which take addresses. */
interface Internals extends Kernel {
  fieldMultiply(r: number, a: number, b: number): void;
  fieldSquare(r: number, a: number): void;
  fieldCarry(r: number, a: number): void;
  fieldHalve(r: number, a: number): void;
  fieldInvert(r: number, a: number): void;
  fieldRoot(r: number, a: number): void;
  fieldIsZero(a: number): number;
  fieldWrite(bytes: number, a: number): void;
  pointDouble(p: number): void;
  pointAddSecret(p: number, x: number, y: number): void;
  pointAddPublic(p: number, x: number, y: number, negative: number): void;
}

const kernel = instantiateKernel() as Internals;
const { Fp, BASE, ZERO } = secp256k1.Point;
const PRIME = Fp.ORDER;
const memory = new DataView(kernel.memory.buffer);

const FIELD_BYTES = 36;
/** Above everything that the functions under test use. */
const FREE = kernel.secretsEnd.value - 20 * FIELD_BYTES;
const [A, B, R, BYTES, POINT, ADDEND] = [0, 1, 2, 3, 6, 10].map((at) => FREE + at * FIELD_BYTES) as [
  number,
  number,
  number,
  number,
  number,
  number,
];

type Digits = readonly number[];

function put(at: number, digits: Digits): void {
  for (const [i, digit] of digits.entries()) memory.setInt32(at + 4 * i, digit, true);
}

function numberOf(digits: Digits): bigint {
  return Fp.create(digits.reduceRight((value, digit) => (value << 29n) + BigInt(digit), 0n));
}

function digitsAt(at: number): Digits {
  return Array.from({ length: 9 }, (_, i) => memory.getInt32(at + 4 * i, true));
}

/** The least first, each from 0 to 2^29 - 1. */
function digitsOf(value: bigint): Digits {
  return Array.from({ length: 9 }, (_, i) => Number((value >> BigInt(29 * i)) & 0x1fffffffn));
}

function read(at: number): bigint {
  kernel.fieldWrite(BYTES, at);
  return integerOf(new Uint8Array(kernel.memory.buffer, BYTES, 32));
}

/** Digits up to the weight, often at its bounds. The highest digit holds 24 bits only. */
const lazy = (weight: number) => {
  const bound = weight * 2 ** 28;
  const digit = (limit: number) =>
    fc.oneof(fc.integer({ min: -limit, max: limit }), fc.constantFrom(-limit, limit, -1, 0, 1, limit - 1));
  return fc
    .tuple(fc.array(digit(bound), { minLength: 8, maxLength: 8 }), digit(weight * 2 ** 23))
    .map(([digits, top]) => [...digits, top]);
};

const edges = [0n, 1n, 2n, PRIME - 1n, PRIME, PRIME + 1n, 2n ** 256n - 1n, 2n ** 255n, 2n ** 32n + 977n].map(digitsOf);
const element = fc.oneof(lazy(2), fc.constantFrom(...edges));

/** A product: between -p and p, with digits of at most 28 bits but for a carry. */
function expectWeightOne(digits: Digits): void {
  for (const digit of digits) expect(Math.abs(digit)).toBeLessThanOrEqual(2 ** 28 + 2 ** 21);
  expect(Math.abs(digits[8]!)).toBeLessThanOrEqual(2 ** 23 + 8);
}

describe('the field', () => {
  test.each([
    [1, 7],
    [2, 7],
    [3, 4],
    [7, 2],
  ])('multiplies digits of weights %i and %i', (left, right) => {
    const property = fc.property(lazy(left), lazy(right), (a, b) => {
      put(A, a);
      put(B, b);
      kernel.fieldMultiply(R, A, B);
      expectWeightOne(digitsAt(R));
      expect(numberOf(digitsAt(R))).toBe(Fp.mul(numberOf(a), numberOf(b)));
      expect(read(R)).toBe(Fp.mul(numberOf(a), numberOf(b)));
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test('squares digits of weight 3', () => {
    const property = fc.property(fc.oneof(lazy(3), lazy(1), fc.constantFrom(...edges)), (a) => {
      put(A, a);
      kernel.fieldSquare(R, A);
      expectWeightOne(digitsAt(R));
      expect(read(R)).toBe(Fp.sqr(numberOf(a)));
    });
    fc.assert(property, { numRuns: 2000 });
  });

  test('carries, halves and writes digits of weight 6', () => {
    const property = fc.property(fc.oneof(lazy(6), element), (a) => {
      put(A, a);
      expect(read(A)).toBe(numberOf(a));
      kernel.fieldCarry(R, A);
      expectWeightOne(digitsAt(R));
      expect(numberOf(digitsAt(R))).toBe(numberOf(a));
      kernel.fieldHalve(R, A);
      expect(Fp.add(numberOf(digitsAt(R)), numberOf(digitsAt(R)))).toBe(numberOf(a));
      for (const digit of digitsAt(R)) expect(Math.abs(digit)).toBeLessThanOrEqual(4 * 2 ** 28);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  test('knows zero in all its forms', () => {
    const multiples = [-3n, -2n, -1n, 0n, 1n, 2n, 3n].map((times) => {
      const sign = times < 0n ? -1 : 1;
      return digitsOf(PRIME).map((digit) => sign * Number(times < 0n ? -times : times) * digit);
    });
    for (const digits of multiples) {
      put(A, digits);
      expect(kernel.fieldIsZero(A)).toBe(-1);
      put(A, digits.with(3, digits[3]! + 1));
      expect(kernel.fieldIsZero(A)).toBe(0);
    }
    const property = fc.property(lazy(6), (a) => {
      put(A, a);
      expect(kernel.fieldIsZero(A)).toBe(numberOf(a) === 0n ? -1 : 0);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test('inverts, and gives 0 for 0', () => {
    const property = fc.property(element, (a) => {
      put(A, a);
      kernel.fieldInvert(R, A);
      const value = numberOf(a);
      expect(read(R)).toBe(value === 0n ? 0n : Fp.inv(value));
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test('finds roots where there are any', () => {
    const property = fc.property(element, (a) => {
      put(A, a);
      kernel.fieldSquare(A, A);
      kernel.fieldRoot(R, A);
      expect([numberOf(a), Fp.neg(numberOf(a))]).toContain(read(R));
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('adding points in constant time', () => {
  const BETA = 0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501een;
  type NoblePoint = typeof BASE;

  function putJacobian(point: NoblePoint, z: bigint): void {
    const { x, y } = point.is0() ? { x: 5n, y: 3n } : point.toAffine();
    const squared = Fp.sqr(z);
    const coordinates = point.is0() ? [x, y, 0n] : [Fp.mul(x, squared), Fp.mul(y, Fp.mul(z, squared)), z];
    for (const [at, coordinate] of coordinates.entries()) {
      put(A, digitsOf(coordinate));
      kernel.fieldCarry(POINT + at * FIELD_BYTES, A);
    }
  }

  function readJacobian(): NoblePoint {
    const [x, y, z] = [0, 1, 2].map((at) => read(POINT + at * FIELD_BYTES)) as [bigint, bigint, bigint];
    if (z === 0n) return ZERO;
    const inverse = Fp.inv(z);
    const squared = Fp.sqr(inverse);
    return secp256k1.Point.fromAffine({ x: Fp.mul(x, squared), y: Fp.mul(y, Fp.mul(squared, inverse)) });
  }

  const lambda = (point: NoblePoint) => {
    const { x, y } = point.toAffine();
    return secp256k1.Point.fromAffine({ x: Fp.mul(x, BETA), y });
  };
  const P = BASE.multiply(0x123456789n);
  const addends: readonly (readonly [string, NoblePoint])[] = [
    ['another point', BASE.multiply(77n)],
    ['the same point', P],
    ['the opposite point', P.negate()],
    ['a point with the same y', lambda(P)],
    ['a point with the opposite y', lambda(P).negate()],
    ['another point with the opposite y', lambda(lambda(P)).negate()],
  ];
  const scales = [1n, 2n, 0xabcdef0123456789n ** 4n % PRIME, PRIME - 1n];

  test.each(addends)('%s', (_, addend) => {
    for (const start of [P, ZERO]) {
      for (const scale of scales) {
        const { x, y } = addend.toAffine();
        for (const [at, coordinate] of [x, y].entries()) {
          put(A, digitsOf(coordinate));
          kernel.fieldCarry(ADDEND + at * FIELD_BYTES, A);
        }
        putJacobian(start, scale);
        kernel.pointAddSecret(POINT, ADDEND, ADDEND + FIELD_BYTES);
        expect(readJacobian().equals(start.add(addend))).toBe(true);
        putJacobian(start, scale);
        kernel.pointAddPublic(POINT, ADDEND, ADDEND + FIELD_BYTES, 0);
        expect(readJacobian().equals(start.add(addend))).toBe(true);
        kernel.pointAddPublic(POINT, ADDEND, ADDEND + FIELD_BYTES, -1);
        expect(readJacobian().equals(start)).toBe(true);
        kernel.pointDouble(POINT);
        expect(readJacobian().equals(start.double())).toBe(true);
      }
    }
  });
});

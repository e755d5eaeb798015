import { createHash } from 'node:crypto';
import { createHasher, mapToCurveSimpleSWU } from '@noble/curves/abstract/hash-to-curve.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Scalar } from '../src/group.ts';
import { Point } from '../src/group.ts';
import { sm2Group as group, sm2PointOf } from '../src/sm/group-sm2.ts';
import { Sm2, scalars } from '../src/sm/sm2-curve.ts';
import { U as u } from '../src/sm/sm2-u.ts';
import { sm3Hash } from '../src/sm/sm3.ts';
import { SM_SUITE } from '../src/sm/suite-sm.ts';
import { SM } from '../src/sm/tags.ts';
import { flipped, outcome, seeded, toHex } from './fixtures.ts';

const rng = seeded('sm group');
const U = sm2PointOf(u);
const { a: A, b: B, p: P } = Sm2.CURVE();
const Z = P - 9n;
const modulo = (value: bigint) => ((value % P) + P) % P;
const power = (base: bigint, exponent: bigint) => {
  let result = 1n;
  for (let bits = exponent, factor = modulo(base); bits > 0n; bits >>= 1n, factor = (factor * factor) % P) {
    if (bits & 1n) result = (result * factor) % P;
  }
  return result;
};
const inverse = (value: bigint) => power(value, P - 2n);
const isSquare = (value: bigint) => power(value, (P - 1n) / 2n) <= 1n;
const g = (x: bigint) => modulo(x ** 3n + A * x + B);
const integer = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes)}`);

describe('the second generator u', () => {
  test('is the pinned point, neither G nor the identity', () => {
    expect(toHex(u.bytes)).toBe('03624fbe3c783cd640d6ffe8ff4140115db034cc6e3d0bb606fba0f122852b4d7e');
    expect(U.is0()).toBe(false);
    expect(U.equals(Sm2.BASE)).toBe(false);
  });

  test('comes out again of hash_to_curve in noble', () => {
    const map = mapToCurveSimpleSWU(Sm2.Fp, { A, B, Z });
    const suite = { DST: SM.pointUDst, p: P, m: 1, k: 128, expand: 'xmd', hash: sm3Hash } as const;
    const hasher = createHasher(Sm2, ([element]) => map(element as bigint), suite);
    expect(hasher.hashToCurve(Buffer.from(SM.pointU)).equals(U)).toBe(true);
  });

  test('comes out again of RFC 9380 written anew with SM3 from node:crypto', () => {
    const sm3 = (...parts: Uint8Array[]) => createHash('sm3').update(Buffer.concat(parts)).digest();
    const dst = Buffer.from('yilian/umbral-sm2/v1-with-SM2_XMD:SM3_SSWU_RO_');
    const dstPrime = Buffer.concat([dst, Uint8Array.of(dst.length)]);
    const b0 = sm3(new Uint8Array(64), Buffer.from('POINT_U'), Uint8Array.of(0, 96, 0), dstPrime);
    const blocks = [sm3(b0, Uint8Array.of(1), dstPrime)];
    for (const index of [2, 3]) {
      const last = blocks.at(-1);
      const mixed = b0.map((byte, at) => byte ^ (last?.[at] as number));
      blocks.push(sm3(mixed, Uint8Array.of(index), dstPrime));
    }
    const uniform = Buffer.concat(blocks);
    const [first, second] = [uniform.subarray(0, 48), uniform.subarray(48)].map((half) => {
      const { x, y } = simplifiedSwu(modulo(integer(half)));
      return Sm2.fromAffine({ x, y });
    });
    expect(first && second && first.add(second).toHex()).toBe(U.toHex());
  });

  test('uses the Z that RFC 9380, appendix H.2, gives for this curve', () => {
    const suits = (z: bigint) =>
      !isSquare(z) && z !== P - 1n && irreducible(modulo(B - z)) && isSquare(g(modulo(B * inverse(modulo(z * A)))));
    const order = Array.from({ length: 9 }, (_, at) => [BigInt(at + 1), P - BigInt(at + 1)]).flat();
    expect(order.find(suits)).toBe(Z);
  });
});

/** RFC 9380 §6.6.2, by its definition. */
function simplifiedSwu(element: bigint): { x: bigint; y: bigint } {
  const zu2 = modulo(Z * element * element);
  const x1 = modulo(-B * inverse(A) * (1n + inverse(modulo(zu2 * zu2 + zu2))));
  const x = isSquare(g(x1)) ? x1 : modulo(zu2 * x1);
  const root = power(g(x), (P + 1n) / 4n);
  return { x, y: root % 2n === element % 2n ? root : P - root };
}

/** Whether the cubic x³ + Ax + c has no root: then x^p - x shares no factor with it. */
function irreducible(c: bigint): boolean {
  const times = (a: bigint[], b: bigint[]) => {
    const product = [0n, 0n, 0n, 0n, 0n];
    a.forEach((left, i) => {
      b.forEach((right, j) => {
        product[i + j] = modulo((product[i + j] as bigint) + left * right);
      });
    });
    for (const degree of [4, 3]) {
      const top = product[degree] as bigint;
      product[degree - 2] = modulo((product[degree - 2] as bigint) - A * top);
      product[degree - 3] = modulo((product[degree - 3] as bigint) - c * top);
    }
    return product.slice(0, 3);
  };
  let result = [1n, 0n, 0n];
  for (let bits = P, factor = [0n, 1n, 0n]; bits > 0n; bits >>= 1n, factor = times(factor, factor)) {
    if (bits & 1n) result = times(result, factor);
  }
  const [constant, linear, quadratic] = result as [bigint, bigint, bigint];
  return degreeOfGcd([c, A, 0n, 1n], [constant, modulo(linear - 1n), quadratic]) === 0;
}

function degreeOfGcd(left: bigint[], right: bigint[]): number {
  const degree = (polynomial: bigint[]) => polynomial.findLastIndex((coefficient) => coefficient !== 0n);
  if (degree(right) < 0) return degree(left);
  const rest = [...left];
  while (degree(rest) >= degree(right)) {
    const shift = degree(rest) - degree(right);
    const factor = (rest[degree(rest)] as bigint) * inverse(right[degree(right)] as bigint);
    right.forEach((coefficient, at) => {
      if (coefficient !== 0n) rest[at + shift] = modulo((rest[at + shift] as bigint) - factor * coefficient);
    });
  }
  return degreeOfGcd(right, rest);
}

const scalar = () => group.nonZero(rng(48));
const times = (value: Scalar, point: Point) => group.multiply([{ scalar: value, point }])[0] as Point;
const plus = (left: Point, right: Point) => group.add(left, right) as Point;
const ZERO = new Uint8Array(32);
const ONE = scalars.toBytes(1n);

describe('the SM2 group', () => {
  test('decodes compressed points and nothing else', () => {
    const point = times(scalar(), group.generator);
    expect(group.decode(point.bytes)?.affine).toEqual(point.affine);
    const uncompressed = new Uint8Array([4, ...point.affine]);
    for (const bad of [new Uint8Array(33), new Uint8Array(1), uncompressed, flipped(point.bytes, 0, 6), rng(0)]) {
      expect(group.decode(bad)).toBeUndefined();
    }
  });

  test('adds, multiplies and combines alike', () => {
    for (let round = 0; round < 20; round++) {
      const [a, b] = [scalar(), scalar()];
      const [left, right] = [times(a, group.generator), times(b, u)];
      const terms = [
        { scalar: a, point: group.generator },
        { scalar: b, point: u },
      ];
      const sum = plus(left, right);
      if (round === 0) group.prepare(sum);
      expect(group.combine(terms)?.bytes).toEqual(sum.bytes);
      expect(group.vanishes([...terms, { scalar: group.negate(ONE), point: sum }])).toBe(true);
      expect(group.vanishes([...terms, { scalar: ONE, point: sum }])).toBe(false);
      expect(times(group.multiplyScalars(a, group.invert(a)), sum).bytes).toEqual(sum.bytes);
      expect(times(group.addScalars(a, b), u).bytes).toEqual(plus(times(a, u), right).bytes);
    }
  });

  test('has no value for the identity', () => {
    const minus = times(group.negate(ONE), u);
    expect(group.add(u, minus)).toBeUndefined();
    expect(group.combine([{ scalar: ZERO, point: u }])).toBeUndefined();
    expect(group.combine([])).toBeUndefined();
    expect(group.vanishes([{ scalar: ZERO, point: u }])).toBe(true);
  });

  test('reduces any 32 or 48 bytes to a scalar from 1 to n - 1', () => {
    const property = fc.property(fc.constantFrom(32, 48), fc.nat(255), (length, fill) => {
      const bytes = new Uint8Array(length).fill(fill);
      expect(integer(group.nonZero(bytes))).toBe((integer(bytes) % (scalars.ORDER - 1n)) + 1n);
      expect(group.isNonZero(group.nonZero(bytes))).toBe(true);
    });
    fc.assert(property);
    const n = scalars.ORDER;
    const inRange = (value: bigint) =>
      group.isNonZero(new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex')));
    expect([0n, 1n, n - 1n, n].map(inRange)).toEqual([false, true, true, false]);
    expect(group.isNonZero(rng(31))).toBe(false);
  });

  test('takes no point of another group', () => {
    const foreign = new Point(u.bytes, u.affine);
    for (const act of [
      () => group.add(u, foreign),
      () => times(ONE, foreign),
      () => group.combine([{ scalar: ONE, point: foreign }]),
      () => group.vanishes([{ scalar: ONE, point: foreign }]),
      () => group.prepare(foreign),
      () => SM_SUITE.verify(rng(32), rng(64), foreign),
    ]) {
      expect(outcome(act)).toBe('SUITE_UNSUPPORTED');
    }
  });
});

describe("Umbral's algebra over SM2", () => {
  const h = (...points: Point[]) =>
    group.nonZero(
      createHash('sm3')
        .update(Buffer.concat(points.map(({ bytes }) => bytes)))
        .digest(),
    );
  const add = (a: Scalar, b: Scalar) => group.addScalars(a, b);
  const mul = (a: Scalar, b: Scalar) => group.multiplyScalars(a, b);
  const invert = (value: Scalar) => group.invert(value);
  const negate = (value: Scalar) => group.negate(value);

  /** Encapsulates to A, delegates 2 of 3 to B, re-encrypts with the fragments named and opens as B. */
  function delegateAndOpen(used: number[]): { sealed: string; opened: string | undefined } {
    const [secretA, secretB, r, w] = [scalar(), scalar(), scalar(), scalar()];
    const [keyA, keyB] = [times(secretA, group.generator), times(secretB, group.generator)];
    const [e, v] = [times(r, group.generator), times(w, group.generator)];
    const s = add(w, mul(r, h(e, v)));
    const sealed = times(add(r, w), keyA);
    const proof = [
      { scalar: s, point: group.generator },
      { scalar: negate(h(e, v)), point: e },
      { scalar: negate(ONE), point: v },
    ];
    expect(group.vanishes(proof)).toBe(true);

    const x = scalar();
    const precursor = times(x, group.generator);
    const d = h(precursor, keyB, times(x, keyB));
    const [f0, f1] = [mul(secretA, invert(d)), scalar()];
    const argumentsOf = [1n, 2n, 3n].map((index) => scalars.toBytes(index));
    const shares = argumentsOf.map((argument) => add(f0, mul(f1, argument)));
    const cfrags = used.map((index) => {
      const rk = shares[index] as Scalar;
      const k = scalar();
      const [e1, v1, u1] = [times(rk, e), times(rk, v), times(rk, u)];
      const [e2, v2, u2] = [times(k, e), times(k, v), times(k, u)];
      const challenge = h(e, e1, e2, v, v1, v2, u, u1, u2);
      const z = add(k, mul(challenge, rk));
      for (const [base, image, blinded] of [[e, e1, e2] as const, [v, v1, v2] as const, [u, u1, u2] as const]) {
        const terms = [
          { scalar: z, point: base },
          { scalar: negate(challenge), point: image },
          { scalar: negate(ONE), point: blinded },
        ];
        expect(group.vanishes(terms)).toBe(true);
      }
      return { argument: argumentsOf[index] as Scalar, e1, v1 };
    });

    const ownD = h(precursor, keyB, times(secretB, precursor));
    const weights = cfrags.map(({ argument }) =>
      cfrags
        .filter((other) => other.argument !== argument)
        .map((other) => mul(other.argument, invert(add(other.argument, negate(argument)))))
        .reduce(mul, ONE),
    );
    const weighted = (key: 'e1' | 'v1') =>
      group.combine(cfrags.map((cfrag, at) => ({ scalar: weights[at] as Scalar, point: cfrag[key] })));
    const opened = plus(weighted('e1') as Point, weighted('v1') as Point);
    return { sealed: toHex(sealed.bytes), opened: toHex(times(ownD, opened).bytes) };
  }

  test('any two of three fragments open, one does not', () => {
    for (const used of [
      [0, 1],
      [1, 2],
      [2, 0],
      [0, 1, 2],
    ]) {
      const { sealed, opened } = delegateAndOpen(used);
      expect(opened).toBe(sealed);
    }
    const { sealed, opened } = delegateAndOpen([1]);
    expect(opened).not.toBe(sealed);
  });
});

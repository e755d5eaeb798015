import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js';
import { describe, expect, test, vi } from 'vitest';
import { bytesOf, Cases, EDGE_SCALARS, integerOf } from '../kernel/differential.ts';
import type { Secp256k1 } from '../src/group.ts';
import { Point } from '../src/group.ts';
import { instantiateKernel, KernelGroup, wasmGroup } from '../src/group-wasm.ts';
import { seeded, toHex } from './fixtures.ts';

const kernel = instantiateKernel()!;
const group: Secp256k1 = new KernelGroup(kernel);
const ORDER = secp256k1.Point.Fn.ORDER;
const PRIME = secp256k1.Point.Fp.ORDER;

const assertRepeatedly = (times: number, act: () => void) => {
  for (let i = 0; i < times; i++) act();
};

describe('the kernel agrees with noble on', { timeout: 60_000 }, () => {
  const cases = new Cases(group, 'kernel.test');

  test('multiplying, also by a point more than once', () => {
    assertRepeatedly(300, () => cases.multiply());
  });

  test('sums, also those in which terms cancel out or are equal', () => {
    assertRepeatedly(300, () => cases.combine());
  });

  test('whether a sum vanishes', () => {
    assertRepeatedly(300, () => cases.vanishes());
  });

  test('adding points, equal and opposite ones among them', () => {
    assertRepeatedly(300, () => cases.add());
  });

  test('which bytes are points', () => {
    assertRepeatedly(300, () => cases.decode());
  });

  test('arithmetic with scalars', () => {
    assertRepeatedly(1000, () => cases.scalars());
  });

  test('signatures and their verification', () => {
    assertRepeatedly(100, () => cases.signatures());
  });

  test('all of it again once points were prepared', () => {
    assertRepeatedly(200, () => {
      cases.prepare();
      cases.multiply();
      cases.combine();
      cases.vanishes();
      cases.verify();
    });
  });

  test('the multiples of G, u and another point by every awkward scalar, prepared or not', () => {
    const point = group.decode(secp256k1.Point.BASE.multiply(0xabcdefn).toBytes())!;
    const prepared = group.decode(point.bytes)!;
    group.prepare(prepared);
    for (const base of [group.generator, group.u, point, prepared]) {
      const noble = secp256k1.Point.fromBytes(base.bytes).precompute(8);
      const products = EDGE_SCALARS.map((scalar) => group.multiply([{ scalar: bytesOf(scalar), point: base }])[0]);
      expect(products.map((product) => toHex(product!.bytes))).toEqual(
        EDGE_SCALARS.map((scalar) => noble.multiplyUnsafe(scalar).toHex()),
      );
    }
  });
});

test('u is the point that SPEC.md defines', () => {
  const u = secp256k1_hasher.hashToCurve(new TextEncoder().encode('POINT_U'), { DST: 'PARAMETERS' });
  expect(group.u.bytes).toEqual(u.toBytes());
  expect(group.generator.bytes).toEqual(secp256k1.Point.BASE.toBytes());
});

describe('sums of more terms than the kernel holds', () => {
  const rng = seeded('many terms');
  const terms = Array.from({ length: 100 }, () => {
    const scalar = group.nonZero(rng(48));
    const [point] = group.multiply([{ scalar: group.nonZero(rng(48)), point: group.generator }]);
    return { scalar, point: point! };
  });
  const noble = terms.reduce(
    (sum, { scalar, point }) => sum.add(secp256k1.Point.fromBytes(point.bytes).multiplyUnsafe(integerOf(scalar))),
    secp256k1.Point.ZERO,
  );

  test('are multiplied, combined and tested all the same', () => {
    const sum = group.combine(terms)!;
    expect(sum.bytes).toEqual(noble.toBytes());
    expect(group.vanishes([...terms, { scalar: bytesOf(ORDER - 1n), point: sum }])).toBe(true);
    expect(group.vanishes([...terms, { scalar: bytesOf(1n), point: sum }])).toBe(false);
    const products = group.multiply(terms);
    expect(products).toHaveLength(100);
    const whole = [...products, sum].map((point, at) => ({ scalar: bytesOf(at < 100 ? 1n : ORDER - 1n), point }));
    expect(group.vanishes(whole)).toBe(true);
    expect(group.combine(whole)).toBeUndefined();
  });

  test('and of none', () => {
    expect(group.multiply([])).toEqual([]);
    expect(group.combine([])).toBeUndefined();
    expect(group.vanishes([])).toBe(true);
  });
});

describe('prepared points', () => {
  test('may be more than there are places for', () => {
    const points = Array.from({ length: 40 }, (_, at) => {
      const [point] = group.multiply([{ scalar: bytesOf(BigInt(at + 2)), point: group.generator }]);
      group.prepare(point!);
      return point!;
    });
    for (const [at, point] of points.entries()) {
      const [product] = group.multiply([{ scalar: bytesOf(ORDER - 7n), point }]);
      const expected = secp256k1.Point.BASE.multiply((BigInt(at + 2) * (ORDER - 7n)) % ORDER);
      expect(product!.bytes).toEqual(expected.toBytes());
      expect(group.multiply([{ scalar: bytesOf(1n), point: group.generator }])[0]!.bytes).toEqual(
        group.generator.bytes,
      );
    }
  });
});

test('a point that lost its place to others can be prepared again', () => {
  const inner = instantiateKernel()!;
  const built = vi.fn((index: number) => inner.prepare(index));
  const counting = new KernelGroup({ ...inner, prepare: built });
  const [first, ...others] = counting.multiply(
    Array.from({ length: 16 }, (_, at) => ({ scalar: bytesOf(BigInt(at + 2)), point: counting.generator })),
  ) as [Point, ...Point[]];
  const use = (point: Point) => counting.multiply([{ scalar: bytesOf(5n), point }]);
  built.mockClear();
  for (const point of [first, first]) {
    counting.prepare(point);
    use(point);
  }
  expect(built).toHaveBeenCalledTimes(1);
  for (const point of others) counting.prepare(point);
  use(first);
  expect(built).toHaveBeenCalledTimes(1);
  counting.prepare(first);
  const [product] = use(first);
  expect(built).toHaveBeenCalledTimes(2);
  expect(product!.bytes).toEqual(secp256k1.Point.BASE.multiply(10n).toBytes());
});

describe('a point is refused', () => {
  const x = group.generator.bytes.subarray(1);

  test.each([
    ['nothing', new Uint8Array()],
    ['the identity', Uint8Array.of(0)],
    ['33 zeros', new Uint8Array(33)],
    ['a missing byte', group.generator.bytes.subarray(0, 32)],
    ['a byte too many', Uint8Array.of(...group.generator.bytes, 0)],
    ['the uncompressed form', Uint8Array.of(4, ...group.generator.affine)],
    ['the hybrid form', Uint8Array.of(6, ...group.generator.affine)],
    ['no compressed form', Uint8Array.of(5, ...x)],
    ['an x without a point', Uint8Array.of(2, ...bytesOf(5n))],
    ['x = p', Uint8Array.of(2, ...bytesOf(PRIME))],
    ['x = p + 1, whose residue has a point', Uint8Array.of(2, ...bytesOf(PRIME + 1n))],
    ['x = 2^256 - 1', Uint8Array.of(2, ...bytesOf(2n ** 256n - 1n))],
  ])('%s', (_, bytes) => {
    expect(group.decode(bytes)).toBeUndefined();
  });

  test('but neither x = 1 nor x = p - 3, whose points are real', () => {
    for (const value of [1n, PRIME - 3n]) {
      const bytes = Uint8Array.of(3, ...bytesOf(value));
      expect(group.decode(bytes)?.affine).toEqual(secp256k1.Point.fromBytes(bytes).toBytes(false).subarray(1));
    }
  });
});

describe('a signature is refused', () => {
  const hash = new Uint8Array(32).fill(7);
  const signature = group.sign(hash, bytesOf(1n), new Uint8Array(32));
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];

  test.each([
    ['r = 0', Uint8Array.of(...bytesOf(0n), ...s)],
    ['s = 0', Uint8Array.of(...r, ...bytesOf(0n))],
    ['r = n', Uint8Array.of(...bytesOf(ORDER), ...s)],
    ['r + n', Uint8Array.of(...bytesOf((integerOf(r) + ORDER) % 2n ** 256n), ...s)],
    ['a high s', Uint8Array.of(...r, ...bytesOf(ORDER - integerOf(s)))],
    ['s + n', Uint8Array.of(...r, ...bytesOf((integerOf(s) + ORDER) % 2n ** 256n))],
    ['a missing byte', signature.subarray(1)],
  ])('%s', (_, bytes) => {
    expect(group.verify(hash, signature, group.generator)).toBe(true);
    expect(group.verify(hash, bytes, group.generator)).toBe(false);
  });

  test('whose equation gives the identity', () => {
    // u1·G + u2·Q = (e + r·q)/s · G with e = -r·q.
    const minus = bytesOf(ORDER - integerOf(r));
    expect(group.verify(minus, Uint8Array.of(...r, ...bytesOf(1n)), group.generator)).toBe(false);
  });

  test('unless x is r + n, which then is r modulo n', () => {
    // The smallest x above n that has a point: R, with r = x - n, s = 1 and e = 0, fits the key Q = R/r.
    let x = ORDER + 1n;
    let point: Point | undefined;
    for (; point === undefined; x++) point = group.decode(Uint8Array.of(2, ...bytesOf(x)));
    const small = bytesOf(x - 1n - ORDER);
    const [key] = group.multiply([{ scalar: group.invert(small), point }]);
    const made = Uint8Array.of(...small, ...bytesOf(1n));
    expect(group.verify(new Uint8Array(32), made, key!)).toBe(true);
    expect(secp256k1.verify(made, new Uint8Array(32), key!.bytes, { prehash: false })).toBe(true);
  });
});

describe('arguments of a wrong size throw and touch no memory', () => {
  const short = new Uint8Array(31);
  const long = new Uint8Array(2 ** 20);
  const forged = new Point(group.generator.bytes, long);
  const one = bytesOf(1n);

  test.each([
    ['scalar', () => group.multiply([{ scalar: short, point: group.generator }])],
    ['scalar in a sum', () => group.combine([{ scalar: long, point: group.generator }])],
    ['point', () => group.multiply([{ scalar: one, point: forged }])],
    ['summand', () => group.add(group.u, forged)],
    ['addend', () => group.addScalars(one, long)],
    ['factor', () => group.multiplyScalars(short, one)],
    ['scalar to negate', () => group.negate(long)],
    ['scalar to invert', () => group.invert(new Uint8Array())],
    ['number to reduce', () => group.nonZero(new Uint8Array(40))],
    ['hash to sign', () => group.sign(short, one, one)],
    ['secret to sign with', () => group.sign(one, long, one)],
    ['hash to verify', () => group.verify(long, new Uint8Array(64).fill(1), group.generator)],
  ])('%s', (_, act) => {
    const before = new Uint8Array(kernel.memory.buffer.slice(0));
    expect(act).toThrow(RangeError);
    expect(Buffer.compare(before, new Uint8Array(kernel.memory.buffer))).toBe(0);
  });

  test('and so does multiplying by zero', () => {
    expect(() => group.multiply([{ scalar: new Uint8Array(32), point: group.u }])).toThrow(RangeError);
  });
});

test.each([
  ['missing', undefined],
  [
    'forbidden',
    {
      Module: class {
        constructor() {
          throw new Error('forbidden');
        }
      },
    },
  ],
])('there is no such group where WebAssembly is %s', (_, stub) => {
  vi.stubGlobal('WebAssembly', stub);
  try {
    expect(wasmGroup()).toBeUndefined();
  } finally {
    vi.unstubAllGlobals();
  }
});

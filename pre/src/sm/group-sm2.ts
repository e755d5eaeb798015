import { invertCt } from '@noble/curves/abstract/modular.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import type { Group, Scalar, Term } from '../group.ts';
import { Point } from '../group.ts';
import { PreError } from '../pre-error.ts';
import type { Sm2Point } from './sm2-curve.ts';
import { COMPRESSED_BYTES, decodePoint, G, SCALAR_BYTES, Sm2, scalars } from './sm2-curve.ts';

const TABLE_WINDOW = 6;

let readInner: (point: Point) => Sm2Point;

/** A point with what noble computes with. */
class GroupPoint extends Point {
  readonly #inner: Sm2Point;

  constructor(inner: Sm2Point) {
    super(inner.toBytes(), inner.toBytes(false).subarray(1), 'SM2');
    this.#inner = inner;
  }

  static {
    readInner = (point) => {
      if (!(#inner in point)) throw new PreError('SUITE_UNSUPPORTED', 'a point of another curve');
      return point.#inner;
    };
  }
}

/** The SM2 curve by noble. */
export const sm2Group: Group = {
  implementation: 'noble',
  generator: new GroupPoint(G),

  decode(bytes) {
    try {
      return new GroupPoint(decodePoint(bytes, COMPRESSED_BYTES, 'KEY_INVALID'));
    } catch {
      return undefined;
    }
  },
  add: (a, b) => pointOf(readInner(a).add(readInner(b))),
  multiply: (terms) => terms.map(({ scalar, point }) => new GroupPoint(readInner(point).multiply(integerOf(scalar)))),
  combine: (terms) => pointOf(sum(terms, multiplySecret)),
  vanishes: (terms) => sum(terms, (point, scalar) => point.multiplyUnsafe(scalar)).is0(),
  prepare(point) {
    readInner(point).precompute(TABLE_WINDOW);
  },

  nonZero: (bytes) => scalars.toBytes((bytesToNumberBE(bytes) % (scalars.ORDER - 1n)) + 1n),
  isNonZero: (bytes) => bytes.length === SCALAR_BYTES && scalars.isValidNot0(bytesToNumberBE(bytes)),
  addScalars: (a, b) => scalars.toBytes(scalars.add(integerOf(a), integerOf(b))),
  multiplyScalars: (a, b) => scalars.toBytes(scalars.mul(integerOf(a), integerOf(b))),
  negate: (scalar) => scalars.toBytes(scalars.neg(integerOf(scalar))),
  invert: (scalar) => scalars.toBytes(invertCt(integerOf(scalar), scalars.ORDER)),
};

/** The point as noble knows it. @throws SUITE_UNSUPPORTED on a point of another curve */
export function sm2PointOf(point: Point): Sm2Point {
  return readInner(point);
}

function sum(terms: readonly Term[], multiply: (point: Sm2Point, scalar: bigint) => Sm2Point): Sm2Point {
  return terms.reduce((total, { scalar, point }) => total.add(multiply(readInner(point), integerOf(scalar))), Sm2.ZERO);
}

function multiplySecret(point: Sm2Point, scalar: bigint): Sm2Point {
  return scalars.is0(scalar) ? Sm2.ZERO : point.multiply(scalar);
}

function pointOf(inner: Sm2Point): Point | undefined {
  return inner.is0() ? undefined : new GroupPoint(inner);
}

function integerOf(scalar: Scalar): bigint {
  return bytesToNumberBE(scalar);
}

import { invertCt, mapHashToField } from '@noble/curves/abstract/modular.js';
import type { WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js';
import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js';
import { utf8 } from './bytes.ts';
import type { Scalar, Secp256k1, Term } from './group.ts';
import { Point, requireCurve } from './group.ts';
import { UMBRAL } from './tags.ts';

type NoblePoint = WeierstrassPoint<bigint>;

const { Point: Curve } = secp256k1;
const { Fn } = Curve;
const TABLE_WINDOW = 8;
/** Wider than any input of `nonZero` by less than noble accepts: it wants at least 48 bytes. */
const WIDE_BYTES = 48;

const tables = new WeakMap<Point, NoblePoint>();
const generator = kept(Curve.BASE);
const u = kept(secp256k1_hasher.hashToCurve(utf8(UMBRAL.pointU), { DST: UMBRAL.pointUDst }));

/** secp256k1 by noble: the reference, and what runs where there is no WebAssembly. */
export const nobleGroup: Secp256k1 = {
  implementation: 'noble',
  generator,
  u,

  decode(bytes) {
    try {
      // An uncompressed point is none of ours, and noble would take it.
      return bytes.length === 33 ? pointOf(Curve.fromBytes(bytes)) : undefined;
    } catch {
      return undefined;
    }
  },
  add: (a, b) => known(nobleOf(a).add(nobleOf(b))),
  multiply: (terms) => terms.map(({ scalar, point }) => pointOf(nobleOf(point).multiply(integerOf(scalar)))),
  combine: (terms) => known(sum(terms, (point, scalar) => (scalar === 0n ? Curve.ZERO : point.multiply(scalar)))),
  vanishes: (terms) => sum(terms, (point, scalar) => point.multiplyUnsafe(scalar)).is0(),
  prepare(point) {
    kept(nobleOf(point), point);
  },

  nonZero(bytes) {
    const wide = new Uint8Array(WIDE_BYTES);
    wide.set(bytes, WIDE_BYTES - bytes.length);
    const scalar = mapHashToField(wide, Fn.ORDER);
    wide.fill(0);
    return scalar;
  },
  isNonZero: (bytes) => bytes.length === 32 && Fn.isValidNot0(integerOf(bytes)),
  addScalars: (a, b) => Fn.toBytes(Fn.add(integerOf(a), integerOf(b))),
  multiplyScalars: (a, b) => Fn.toBytes(Fn.mul(integerOf(a), integerOf(b))),
  negate: (scalar) => Fn.toBytes(Fn.neg(integerOf(scalar))),
  invert: (scalar) => Fn.toBytes(invertCt(integerOf(scalar), Fn.ORDER)),

  sign: (hash, secret, entropy) => secp256k1.sign(hash, secret, { prehash: false, extraEntropy: entropy }),
  verify(hash, signature, key) {
    requireCurve(key, 'secp256k1');
    return secp256k1.verify(signature, hash, key.bytes, { prehash: false });
  },
};

function sum(terms: readonly Term[], product: (point: NoblePoint, scalar: bigint) => NoblePoint): NoblePoint {
  return terms
    .map(({ scalar, point }) => product(nobleOf(point), integerOf(scalar)))
    .reduce((total, next) => total.add(next), Curve.ZERO);
}

function nobleOf(point: Point): NoblePoint {
  requireCurve(point, 'secp256k1');
  const { affine } = point;
  return (
    tables.get(point) ?? Curve.fromAffine({ x: integerOf(affine.subarray(0, 32)), y: integerOf(affine.subarray(32)) })
  );
}

function pointOf(noble: NoblePoint): Point {
  const uncompressed = noble.toBytes(false);
  return new Point(noble.toBytes(), uncompressed.slice(1));
}

function known(noble: NoblePoint): Point | undefined {
  return noble.is0() ? undefined : pointOf(noble);
}

function kept(noble: NoblePoint, point = pointOf(noble)): Point {
  tables.set(point, noble.precompute(TABLE_WINDOW));
  return point;
}

function integerOf(bytes: Scalar): bigint {
  let value = 0n;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) value = (value << 64n) | view.getBigUint64(at);
  return value;
}

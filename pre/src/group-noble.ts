import { invertCt, mapHashToField } from '@noble/curves/abstract/modular.js';
import type { WeierstrassPoint, WeierstrassPointCons } from '@noble/curves/abstract/weierstrass.js';
import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js';
import { utf8 } from './bytes.ts';
import { POINT_BYTES, SCALAR_BYTES, WIDE_SCALAR_BYTES } from './curve.ts';
import type { Curve, Group, Scalar, Secp256k1, Term } from './group.ts';
import { Point, requireCurve } from './group.ts';
import { UMBRAL } from './tags.ts';

type NoblePoint = WeierstrassPoint<bigint>;

const TABLE_WINDOW = 8;

/** A curve by noble, and its points from and to how noble knows them. */
export interface NobleCurve {
  readonly group: Group;
  readonly fromNoble: (noble: NoblePoint) => Point;
  /** @throws SUITE_UNSUPPORTED on a point of another curve */
  readonly toNoble: (point: Point) => NoblePoint;
}

/** @param points of a curve of prime order */
export function nobleCurve(curve: Curve, points: WeierstrassPointCons<bigint>): NobleCurve {
  const { Fn, ZERO } = points;
  const tables = new WeakMap<Point, NoblePoint>();

  const fromNoble = (noble: NoblePoint) => new Point(noble.toBytes(), noble.toBytes(false).slice(1), curve);
  const known = (noble: NoblePoint) => (noble.is0() ? undefined : fromNoble(noble));
  const kept = (noble: NoblePoint, point = fromNoble(noble)): Point => {
    tables.set(point, noble.precompute(TABLE_WINDOW));
    return point;
  };
  const toNoble = (point: Point): NoblePoint => {
    requireCurve(point, curve);
    const [x, y] = [point.affine.subarray(0, SCALAR_BYTES), point.affine.subarray(SCALAR_BYTES)];
    return tables.get(point) ?? points.fromAffine({ x: integerOf(x), y: integerOf(y) });
  };
  const sum = (terms: readonly Term[], product: (point: NoblePoint, scalar: bigint) => NoblePoint) =>
    terms.reduce((total, { scalar, point }) => total.add(product(toNoble(point), integerOf(scalar))), ZERO);

  const group: Group = {
    implementation: 'noble',
    generator: kept(points.BASE),

    decode(bytes) {
      try {
        // An uncompressed point is none of ours, and noble would take it.
        return bytes.length === POINT_BYTES ? fromNoble(points.fromBytes(bytes)) : undefined;
      } catch {
        return undefined;
      }
    },
    add: (a, b) => known(toNoble(a).add(toNoble(b))),
    multiply: (terms) => terms.map(({ scalar, point }) => fromNoble(toNoble(point).multiply(integerOf(scalar)))),
    combine: (terms) => known(sum(terms, (point, scalar) => (scalar === 0n ? ZERO : point.multiply(scalar)))),
    vanishes: (terms) => sum(terms, (point, scalar) => point.multiplyUnsafe(scalar)).is0(),
    prepare(point) {
      kept(toNoble(point), point);
    },

    nonZero(bytes) {
      // noble wants no fewer bytes.
      const wide = new Uint8Array(WIDE_SCALAR_BYTES);
      wide.set(bytes, WIDE_SCALAR_BYTES - bytes.length);
      const scalar = mapHashToField(wide, Fn.ORDER);
      wide.fill(0);
      return scalar;
    },
    isNonZero: (bytes) => bytes.length === SCALAR_BYTES && Fn.isValidNot0(integerOf(bytes)),
    addScalars: (a, b) => Fn.toBytes(Fn.add(integerOf(a), integerOf(b))),
    multiplyScalars: (a, b) => Fn.toBytes(Fn.mul(integerOf(a), integerOf(b))),
    negate: (scalar) => Fn.toBytes(Fn.neg(integerOf(scalar))),
    invert: (scalar) => Fn.toBytes(invertCt(integerOf(scalar), Fn.ORDER)),
  };
  return { group, fromNoble, toNoble };
}

/** secp256k1 by noble: the reference, and what runs where there is no WebAssembly. Making it takes milliseconds. */
export function nobleSecp256k1(): Secp256k1 {
  const { group, fromNoble } = nobleCurve('secp256k1', secp256k1.Point);
  const u = fromNoble(secp256k1_hasher.hashToCurve(utf8(UMBRAL.pointU), { DST: UMBRAL.pointUDst }));
  group.prepare(u);
  return {
    ...group,
    u,
    sign: (hash, secret, entropy) => secp256k1.sign(hash, secret, { prehash: false, extraEntropy: entropy }),
    verify(hash, signature, key) {
      requireCurve(key, 'secp256k1');
      return secp256k1.verify(signature, hash, key.bytes, { prehash: false });
    },
  };
}

function integerOf(bytes: Scalar): bigint {
  let value = 0n;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) value = (value << 64n) | view.getBigUint64(at);
  return value;
}

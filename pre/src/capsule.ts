import { ByteReader, concat, equal, wipe } from './bytes.ts';
import {
  decodePoint,
  decodeScalar,
  hashToScalar,
  multiply,
  ONE,
  POINT_BYTES,
  randomScalar,
  SCALAR_BYTES,
} from './curve.ts';
import type { Point, Scalar } from './group.ts';
import { INSIDE, requireInside } from './guard.ts';
import type { Layout } from './messagepack.ts';
import { array, bin, pack, unpack } from './messagepack.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { pointOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';
import type { Suite } from './suite.ts';
import { requireSuite, requireUmbral } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';
import { UMBRAL } from './tags.ts';

export const CAPSULE_BYTES = 98;

const SYMMETRIC_KEY_BYTES = 32;
const LAYOUT: Layout = [array(3), bin(POINT_BYTES), bin(POINT_BYTES), bin(SCALAR_BYTES)];

let readParts: (capsule: Capsule) => CapsuleParts;

/** E = rG, V = wG and s = w + r·H(E,V). */
export interface CapsuleParts {
  readonly e: Point;
  readonly v: Point;
  readonly s: Scalar;
}

/** The public half of an encapsulated key, whose proof s·G = V + H(E,V)·E holds. */
export class Capsule {
  readonly suite: Suite;
  readonly #parts: CapsuleParts;
  readonly #bytes: Uint8Array;

  /** @internal */
  constructor(inside: typeof INSIDE, suite: Suite, parts: CapsuleParts, bytes: Uint8Array) {
    requireInside(inside);
    this.suite = suite;
    this.#parts = parts;
    this.#bytes = bytes;
  }

  /** @param bytes 98 bytes E | V | s. @throws CAPSULE_INVALID, SUITE_UNSUPPORTED where the suite has no Umbral */
  static fromBytes(bytes: Uint8Array, suite: Suite = SECP256K1_SUITE): Capsule {
    requireUmbral(suite);
    const { group } = suite;
    const reader = new ByteReader(bytes, 'CAPSULE_INVALID');
    const [eBytes, vBytes] = [reader.take(POINT_BYTES), reader.take(POINT_BYTES)];
    const sBytes = reader.take(SCALAR_BYTES);
    reader.end();
    const e = decodePoint(suite, eBytes, 'CAPSULE_INVALID');
    const v = decodePoint(suite, vBytes, 'CAPSULE_INVALID');
    const s = decodeScalar(suite, sBytes, 'CAPSULE_INVALID');
    const proof = [
      { scalar: group.negate(s), point: group.generator },
      { scalar: ONE, point: v },
      { scalar: hashToScalar(suite, UMBRAL.capsulePoints, eBytes, vBytes), point: e },
    ];
    if (!group.vanishes(proof)) throw new PreError('CAPSULE_INVALID', 'the proof of the capsule does not hold');
    // E = -V passes the proof but encapsulates nothing: every key would come out as the identity.
    if (e.bytes[0] !== v.bytes[0] && equal(e.bytes.subarray(1), v.bytes.subarray(1)))
      throw new PreError('CAPSULE_INVALID', 'E and V cancel out');
    return new Capsule(INSIDE, suite, { e, v, s }, concat(eBytes, vBytes, sBytes));
  }

  /** @param packed 105 bytes, canonical MessagePack [E, V, s]. @throws as `fromBytes` */
  static fromMessagePack(packed: Uint8Array, suite: Suite = SECP256K1_SUITE): Capsule {
    return Capsule.fromBytes(unpack(LAYOUT, packed, 'CAPSULE_INVALID'), suite);
  }

  toBytes(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }

  toMessagePack(): Uint8Array {
    return pack(LAYOUT, this.#bytes);
  }

  static {
    readParts = (capsule) => {
      if (!(#parts in capsule)) throw new PreError('CAPSULE_INVALID', 'not a Capsule');
      return capsule.#parts;
    };
  }
}

/** E, V and s, inside the package only. */
export function capsuleParts(capsule: Capsule): CapsuleParts {
  return readParts(capsule);
}

/**
 * Makes a fresh 32-byte key that only the holder of `key`, or whom it delegates to, finds again from the capsule.
 * @throws SUITE_UNSUPPORTED where the suite has no Umbral
 */
export function encapsulate(key: PublicKey, rng: Rng = systemRng): { capsule: Capsule; key: Uint8Array } {
  const point = pointOf(key);
  const { suite } = key;
  requireUmbral(suite);
  const { group } = suite;
  const r = randomScalar(suite, rng);
  const w = randomScalar(suite, rng);
  const sum = group.addScalars(r, w);
  if (!group.isNonZero(sum)) throw new PreError('RANDOM_INVALID', 'the random source repeats itself');
  const [e, v, shared] = group.multiply([
    { scalar: r, point: group.generator },
    { scalar: w, point: group.generator },
    { scalar: sum, point },
  ]) as [Point, Point, Point];
  const s = group.addScalars(w, group.multiplyScalars(r, hashToScalar(suite, UMBRAL.capsulePoints, e.bytes, v.bytes)));
  if (!group.isNonZero(s)) throw new PreError('RANDOM_INVALID', 'the random source repeats itself');
  wipe(r, w, sum);
  return { capsule: new Capsule(INSIDE, suite, { e, v, s }, concat(e.bytes, v.bytes, s)), key: keyOf(suite, shared) };
}

/**
 * Owner side: the key inside the capsule, 32 bytes. A foreign secret gives an unrelated key.
 * @throws SUITE_UNSUPPORTED on two suites
 */
export function decapsulateOriginal(secret: SecretKey, capsule: Capsule): Uint8Array {
  const { e, v } = readParts(capsule);
  const scalar = scalarOf(secret);
  const { suite } = secret;
  requireSuite(suite, capsule);
  return keyOf(suite, multiply(suite.group, scalar, suite.group.add(e, v) as Point));
}

/** HKDF of the compressed shared point, without salt or info. Consumes the point. */
export function keyOf(suite: Suite, shared: Point): Uint8Array {
  const key = suite.derive(shared.bytes, new Uint8Array(), SYMMETRIC_KEY_BYTES);
  wipe(shared.bytes, shared.affine);
  return key;
}

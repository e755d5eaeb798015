import { invertCt, mapHashToField } from '@noble/curves/abstract/modular.js';
import type { WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js';
import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js';
import { sha256 } from '#native';
import { integer, utf8 } from './bytes.ts';
import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';
import type { Rng } from './rng.ts';
import { draw } from './rng.ts';
import { UMBRAL } from './tags.ts';

export type Point = WeierstrassPoint<bigint>;

/** Sizes in bytes. */
export const POINT_BYTES = 33;
export const SCALAR_BYTES = 32;

const { Point: Group } = secp256k1;
const TABLE_WINDOW = 8;
const WIDE_SCALAR_BYTES = 48;

export const field = Group.Fn;
export const G: Point = Group.BASE.precompute(TABLE_WINDOW);

/** Umbral's second generator: hash_to_curve("POINT_U") with DST "PARAMETERS" (RFC 9380, secp256k1_XMD:SHA-256_SSWU_RO_). */
export const U: Point = secp256k1_hasher
  .hashToCurve(utf8(UMBRAL.pointU), { DST: UMBRAL.pointUDst })
  .precompute(TABLE_WINDOW);
export const U_BYTES: Uint8Array = U.toBytes();

/** A compressed point; the identity has no encoding. @throws `code` */
export function decodePoint(bytes: Uint8Array, code: PreErrorCode): Point {
  if (bytes.length !== POINT_BYTES) throw new PreError(code, `a point is ${POINT_BYTES} bytes`);
  try {
    return Group.fromBytes(bytes);
  } catch {
    // noble's message may quote coordinates, and some points are secret: it is not kept as the cause.
    throw new PreError(code, 'not a compressed point of secp256k1');
  }
}

/** A scalar from 1 to n-1, big-endian. @throws `code` */
export function decodeScalar(bytes: Uint8Array, code: PreErrorCode): bigint {
  if (bytes.length === SCALAR_BYTES) {
    const value = integerOf(bytes);
    if (field.isValidNot0(value)) return value;
  }
  throw new PreError(code, 'not a scalar between 1 and n-1');
}

export function encodeScalar(scalar: bigint): Uint8Array {
  return field.toBytes(scalar);
}

/** Umbral's hash to a non-zero scalar: (SHA-256(u32(len tag) | tag | parts) mod (n-1)) + 1. */
export function hashToScalar(tag: string, ...parts: readonly Uint8Array[]): bigint {
  const tagBytes = utf8(tag);
  return (integerOf(sha256(integer(tagBytes.length, 4), tagBytes, ...parts)) % (field.ORDER - 1n)) + 1n;
}

/** (the 48 bytes as an integer mod (n-1)) + 1: a scalar whose bias is below 2^-127. */
export function wideScalar(bytes: Uint8Array): Uint8Array {
  return mapHashToField(bytes, field.ORDER);
}

export function randomScalar(rng: Rng): bigint {
  const wide = draw(rng, WIDE_SCALAR_BYTES);
  const scalar = wideScalar(wide);
  wide.fill(0);
  return integerOf(scalar);
}

/** Inverse of a secret scalar, in time that does not depend on it. */
export function invertSecret(scalar: bigint): bigint {
  return invertCt(scalar, field.ORDER);
}

function integerOf(bytes: Uint8Array): bigint {
  let value = 0n;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) value = (value << 64n) | view.getBigUint64(at);
  return value;
}

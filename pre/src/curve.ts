import { sha256 } from '#native';
import { integer, utf8 } from './bytes.ts';
import type { Group, Point, Scalar } from './group.ts';
import { nobleGroup } from './group-noble.ts';
import { wasmGroup } from './group-wasm.ts';
import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';
import type { Rng } from './rng.ts';
import { draw } from './rng.ts';

/** Sizes in bytes. */
export const POINT_BYTES = 33;
export const SCALAR_BYTES = 32;

const WIDE_SCALAR_BYTES = 48;

export const group: Group = wasmGroup() ?? nobleGroup;

export const G: Point = group.generator;
/** Umbral's second generator: hash_to_curve("POINT_U") with DST "PARAMETERS" (RFC 9380, secp256k1_XMD:SHA-256_SSWU_RO_). */
export const U: Point = group.u;
export const ONE: Scalar = Uint8Array.from({ length: SCALAR_BYTES }, (_, at) => (at === SCALAR_BYTES - 1 ? 1 : 0));

/** A compressed point; the identity has no encoding. @throws `code` */
export function decodePoint(bytes: Uint8Array, code: PreErrorCode): Point {
  const point = group.decode(bytes);
  if (point === undefined) throw new PreError(code, 'not a compressed point of secp256k1');
  return point;
}

/** @returns the same 32 bytes, now known to be a scalar from 1 to n-1, big-endian. @throws `code` */
export function decodeScalar(bytes: Uint8Array, code: PreErrorCode): Scalar {
  if (!group.isNonZero(bytes)) throw new PreError(code, 'not a scalar between 1 and n-1');
  return bytes;
}

/** scalar · point, for a secret scalar that is not zero. */
export function multiply(scalar: Scalar, point: Point): Point {
  return group.multiply([{ scalar, point }])[0] as Point;
}

/** Umbral's hash to a non-zero scalar: (SHA-256(u32(len tag) | tag | parts) mod (n-1)) + 1. */
export function hashToScalar(tag: string, ...parts: readonly Uint8Array[]): Scalar {
  const tagBytes = utf8(tag);
  return group.nonZero(sha256(integer(tagBytes.length, 4), tagBytes, ...parts));
}

/** A scalar whose bias is below 2^-127: (48 random bytes as an integer mod (n-1)) + 1. */
export function randomScalar(rng: Rng): Scalar {
  const wide = draw(rng, WIDE_SCALAR_BYTES);
  const scalar = group.nonZero(wide);
  wide.fill(0);
  return scalar;
}

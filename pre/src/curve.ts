import { integer, utf8 } from './bytes.ts';
import type { Group, Point, Scalar } from './group.ts';
import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';
import type { Rng } from './rng.ts';
import { draw } from './rng.ts';
import type { Suite } from './suite.ts';

/** Sizes in bytes, in every suite. */
export const POINT_BYTES = 33;
export const SCALAR_BYTES = 32;
/** What a scalar without noticeable bias is made of. */
export const WIDE_SCALAR_BYTES = 48;

export const ONE: Scalar = Uint8Array.from({ length: SCALAR_BYTES }, (_, at) => (at === SCALAR_BYTES - 1 ? 1 : 0));

/** A compressed point; the identity has no encoding. @throws `code` */
export function decodePoint({ group }: Suite, bytes: Uint8Array, code: PreErrorCode): Point {
  const point = group.decode(bytes);
  if (point === undefined) throw new PreError(code, 'not a compressed point of the curve');
  return point;
}

/** @returns the same 32 bytes, now known to be a scalar from 1 to n-1, big-endian. @throws `code` */
export function decodeScalar({ group }: Suite, bytes: Uint8Array, code: PreErrorCode): Scalar {
  if (!group.isNonZero(bytes)) throw new PreError(code, 'not a scalar between 1 and n-1');
  return bytes;
}

/** scalar · point, for a secret scalar that is not zero. */
export function multiply(group: Group, scalar: Scalar, point: Point): Point {
  return group.multiply([{ scalar, point }])[0] as Point;
}

/** Umbral's hash to a non-zero scalar: (hash(u32(len tag) | tag | parts) mod (n-1)) + 1. */
export function hashToScalar(suite: Suite, tag: string, ...parts: readonly Uint8Array[]): Scalar {
  const tagBytes = utf8(tag);
  return suite.group.nonZero(suite.hash(integer(tagBytes.length, 4), tagBytes, ...parts));
}

/** A scalar whose bias is below 2^-127: (48 random bytes as an integer mod (n-1)) + 1. */
export function randomScalar({ group }: Pick<Suite, 'group'>, rng: Rng): Scalar {
  const wide = draw(rng, WIDE_SCALAR_BYTES);
  const scalar = group.nonZero(wide);
  wide.fill(0);
  return scalar;
}

import { PreError } from './pre-error.ts';

/** An integer below the order of the group: 32 bytes, big-endian. */
export type Scalar = Uint8Array;

export type Curve = 'secp256k1' | 'SM2';

/** A point of a curve that is not the identity. */
export class Point {
  /** 33 bytes, compressed SEC 1. Not to be written to. */
  readonly bytes: Uint8Array;
  /** 64 bytes x | y, each big-endian and below the field prime. Not to be written to. */
  readonly affine: Uint8Array;
  readonly curve: Curve;

  constructor(bytes: Uint8Array, affine: Uint8Array, curve: Curve = 'secp256k1') {
    this.bytes = bytes;
    this.affine = affine;
    this.curve = curve;
  }
}

/** On a point of another curve the arithmetic of this one gives away the secret. @throws SUITE_UNSUPPORTED */
export function requireCurve(point: Point, curve: Curve): void {
  if (point.curve !== curve) throw new PreError('SUITE_UNSUPPORTED', 'a point of another curve');
}

/** One summand of a linear combination. */
export interface Term {
  readonly scalar: Scalar;
  readonly point: Point;
}

/**
 * A curve of prime order and the integers modulo that order. Where a scalar is called secret, neither time nor memory
 * access depends on it, as far as the implementation can promise (README, Limits); all else may take the time it wants.
 */
export interface Group {
  readonly implementation: 'webassembly' | 'noble';
  readonly generator: Point;

  /** The point of 33 bytes compressed SEC 1, or nothing: another length, form or x, or no point. */
  decode(bytes: Uint8Array): Point | undefined;
  /** a + b, or nothing when that is the identity. */
  add(a: Point, b: Point): Point | undefined;
  /** scalar · point for each of the terms. Scalars are secret and not zero. */
  multiply(terms: readonly Term[]): Point[];
  /** The sum of scalar · point, or nothing when that is the identity. Scalars are secret. */
  combine(terms: readonly Term[]): Point | undefined;
  /** Whether the sum of scalar · point is the identity. Scalars are public. */
  vanishes(terms: readonly Term[]): boolean;
  /** Expects that the point will be multiplied often: what is computed for it now makes that faster. */
  prepare(point: Point): void;

  /** (the bytes as a big-endian integer mod (n - 1)) + 1, from 32 or 48 bytes, secret. */
  nonZero(bytes: Uint8Array): Scalar;
  /** Whether the bytes are a scalar from 1 to n - 1. Secret. */
  isNonZero(bytes: Uint8Array): boolean;
  addScalars(a: Scalar, b: Scalar): Scalar;
  multiplyScalars(a: Scalar, b: Scalar): Scalar;
  negate(scalar: Scalar): Scalar;
  /** The inverse of a secret scalar that is not zero. */
  invert(scalar: Scalar): Scalar;
}

/** The group of suite 1. */
export interface Secp256k1 extends Group {
  /** Umbral's second generator u (SPEC.md §2.1). */
  readonly u: Point;

  /**
   * ECDSA with low s, 64 bytes r | s. The nonce is RFC 6979 with SHA-256 and `entropy` as additional data (§3.6 there).
   * @param hash SHA-256 of the message
   * @param entropy 32 bytes
   */
  sign(hash: Uint8Array, secret: Scalar, entropy: Uint8Array): Uint8Array;
  /** Whether the 64 bytes r | s, s low, are the key's signature on the hash. */
  verify(hash: Uint8Array, signature: Uint8Array, key: Point): boolean;
}

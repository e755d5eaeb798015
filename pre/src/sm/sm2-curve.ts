import type { WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js';
import { weierstrass } from '@noble/curves/abstract/weierstrass.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { POINT_BYTES, SCALAR_BYTES } from '../curve.ts';
import type { PreErrorCode } from '../pre-error.ts';
import { PreError } from '../pre-error.ts';

export type Sm2Point = WeierstrassPoint<bigint>;

export const UNCOMPRESSED_BYTES = 65;

const TABLE_WINDOW = 8;

/** The recommended curve of GB/T 32918.5-2017. */
export const Sm2 = weierstrass({
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
});

export const scalars = Sm2.Fn;
export const G: Sm2Point = Sm2.BASE.precompute(TABLE_WINDOW);

/** A point of the curve in one of the two sizes; the identity has no encoding. @throws `code` */
export function decodePoint(bytes: Uint8Array, size: number, code: PreErrorCode): Sm2Point {
  if (bytes.length !== size) throw new PreError(code, `a point is ${size} bytes`);
  try {
    return Sm2.fromBytes(bytes);
  } catch {
    // noble's message may quote coordinates, and some points are secret: it is not kept as the cause.
    throw new PreError(code, 'not a point of the SM2 curve');
  }
}

/** @param bytes 33 bytes, compressed. @throws KEY_INVALID */
export function decodePublicKey(bytes: Uint8Array): Sm2Point {
  return decodePoint(bytes, POINT_BYTES, 'KEY_INVALID');
}

/** Whether the bytes are a secret key d, from 1 to n - 2: n - 1 has no inverse of 1 + d and signs nothing. */
export function isSecretKey(bytes: Uint8Array): boolean {
  if (bytes.length !== SCALAR_BYTES) return false;
  const value = bytesToNumberBE(bytes);
  return value >= 1n && value < scalars.ORDER - 1n;
}

/** @throws KEY_INVALID */
export function decodeSecretKey(bytes: Uint8Array): bigint {
  if (!isSecretKey(bytes)) throw new PreError('KEY_INVALID', 'not an SM2 secret key');
  return bytesToNumberBE(bytes);
}

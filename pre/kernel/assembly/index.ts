import { fromAffine, isIdentity } from './affine';
import { readPoint } from './coding';
import * as comb from './comb';
import {
  COMBS,
  FIELD,
  JACOBIAN,
  MEMORY_END,
  ODD,
  ODD_ENTRIES,
  ODD_TABLE,
  POINTS,
  RESULTS,
  SCALARS,
  ARITHMETIC_TEMPORARIES as T,
  TERMS,
  WIDE,
  WIDE_ENTRIES,
  WIDES,
} from './layout';
import * as oddTable from './odd-table';
import * as point from './point';
import * as publicSum from './public-sum';
import * as scalar from './scalar';
import * as secretSum from './secret-sum';

/**
 * What the kernel offers. Its user writes arguments to `scalars`, `points` and `terms`, keeps every index and count within
 * `capacity` and `preparedCapacity`, reads results from where the arguments were, and calls a wipe before it returns.
 */

export { decode, writeResults } from './coding';
export { sign, verify } from './ecdsa';
/** For tests alone: they work on addresses. */
export {
  carry as fieldCarry,
  halve as fieldHalve,
  invert as fieldInvert,
  isZero as fieldIsZero,
  multiply as fieldMultiply,
  root as fieldRoot,
  square as fieldSquare,
  write as fieldWrite,
} from './field';
export { CAPACITY as capacity, PREPARED_CAPACITY as preparedCapacity } from './layout';
export { begin as nonceBegin, next as nonceNext, reject as nonceReject } from './nonce';
export { addPublic as pointAddPublic, addSecret as pointAddSecret, double as pointDouble } from './point';
export const scalars: usize = SCALARS;
export const points: usize = POINTS;
export const terms: usize = TERMS;
export const secretsStart: usize = SCALARS;
export const secretsEnd: usize = COMBS;
export const memoryEnd: usize = MEMORY_END;
export const constantsEnd: usize = __heap_base;

const A: usize = T;
const B: usize = T + FIELD;

/** Tables of points 0 to count - 1, for secret scalars. */
export function tablesForSecret(count: i32): void {
  tables(count, ODD_ENTRIES);
}

/** Tables of points 0 to count - 1, for public scalars. */
export function tablesForPublic(count: i32): void {
  tables(count, publicSum.PUBLIC_ENTRIES);
}

function tables(count: i32, entries: usize): void {
  for (let i: usize = 0; i < (count as usize); i++) readPoint(ODD + i * ODD_TABLE, i);
  oddTable.buildAll(count, entries);
}

/** Makes the first point prepared point `index`. */
export function prepare(index: i32): void {
  const wide = WIDES + (index as usize) * WIDE;
  readPoint(wide, 0);
  comb.build(index, wide);
  oddTable.build(wide, WIDE_ENTRIES);
}

/** A result = the sum of `count` terms from `first` on, whose scalars are secret. */
export function sumSecret(result: i32, first: i32, count: i32): void {
  secretSum.sumSecret(RESULTS + (result as usize) * JACOBIAN, first, count);
}

/** A result = the sum of `count` terms from `first` on, whose scalars are public. */
export function sumPublic(result: i32, first: i32, count: i32): void {
  publicSum.sumPublic(RESULTS + (result as usize) * JACOBIAN, first, count);
}

/** The first result = point 0 + point 1. Public. */
export function addPoints(): void {
  readPoint(RESULTS + JACOBIAN, 0);
  fromAffine(RESULTS, RESULTS + JACOBIAN);
  readPoint(RESULTS + JACOBIAN, 1);
  point.addPublic(RESULTS, RESULTS + JACOBIAN, RESULTS + JACOBIAN + FIELD, 0);
}

/** Whether the first result is the identity. */
export function isResultIdentity(): bool {
  return isIdentity(RESULTS) !== 0;
}

/** Scalar 0 = (the 48 bytes of scalar 0 and half of scalar 1 as a big-endian integer mod (n - 1)) + 1. */
export function nonZero(): void {
  scalar.readWide(A, SCALARS);
  scalar.write(SCALARS, A);
}

/** Whether scalar 0 is from 1 to n - 1. */
export function isNonZero(): bool {
  return scalar.readNonZero(A, SCALARS) !== 0;
}

/** Scalar 0 = scalar 0 + scalar 1. */
export function addScalars(): void {
  scalar.read(A, SCALARS);
  scalar.read(B, SCALARS + 32);
  scalar.add(A, A, B);
  scalar.write(SCALARS, A);
}

/** Scalar 0 = scalar 0 · scalar 1. */
export function multiplyScalars(): void {
  scalar.read(A, SCALARS);
  scalar.read(B, SCALARS + 32);
  scalar.multiply(A, A, B);
  scalar.write(SCALARS, A);
}

/** Scalar 0 = -scalar 0. */
export function negate(): void {
  scalar.read(A, SCALARS);
  scalar.negate(A, A);
  scalar.write(SCALARS, A);
}

/** Scalar 0 = 1 / scalar 0. */
export function invert(): void {
  scalar.read(A, SCALARS);
  scalar.invert(A, A);
  scalar.write(SCALARS, A);
}

/** Wipes what arithmetic with scalars used. */
export function wipeScalars(): void {
  memory.fill(SCALARS, 0, POINTS - SCALARS);
}

/** Wipes everything a call with this many odd tables used. */
export function wipe(count: i32): void {
  memory.fill(SCALARS, 0, ODD + (count as usize) * ODD_TABLE - SCALARS);
}

import {
  add,
  carry,
  copy,
  halve,
  isZero,
  isZeroProduct,
  multiply,
  negateIf,
  scale,
  select,
  set,
  square,
  subtract,
} from './field';
import { AFFINE, FIELD, JACOBIAN, POINT_TEMPORARIES as T } from './layout';

/**
 * Points of y² = x³ + 7 in Jacobian coordinates: X of weight 3 at most, Y of weight 2, and Z a product or 1. Affine
 * coordinates have weight 1. No multiple of a point but the identity has y = 0, the order being odd.
 */

const A: usize = T;
const B: usize = T + FIELD;
const C: usize = T + 2 * FIELD;
const D: usize = T + 3 * FIELD;
const E: usize = T + 4 * FIELD;
const F: usize = T + 5 * FIELD;
const SUM: usize = T + 6 * FIELD;
const SIGNED: usize = T + 9 * FIELD;

/** p = the identity. */
export function clear(p: usize): void {
  memory.fill(p, 0, JACOBIAN);
}

/** p = 2p; the identity stays the identity. 3M + 4S. */
export function double(p: usize): void {
  const x = p;
  const y = p + FIELD;
  const z = p + AFFINE;
  // With L = 3X²/2, S = Y² and T = XS: X' = L² - 2T, Y' = L(T - X') - S², Z' = YZ.
  square(A, x);
  scale(A, A, 3);
  halve(A, A);
  square(B, y);
  multiply(C, x, B);
  multiply(z, y, z);
  square(D, A);
  subtract(x, D, C);
  subtract(x, x, C);
  subtract(C, C, x);
  multiply(C, A, C);
  square(B, B);
  subtract(y, C, B);
}

/**
 * p = p + q, or p - q where the mask is -1. q is affine and nothing is secret. 8M + 3S.
 */
export function addPublic(p: usize, qx: usize, qy: usize, negative: i32): void {
  const x = p;
  const y = p + FIELD;
  const z = p + AFFINE;
  negateIf(SIGNED, qy, negative);
  if (isZeroProduct(z)) {
    copy(x, qx);
    copy(y, SIGNED);
    set(z, 1);
    return;
  }
  square(A, z);
  multiply(B, qx, A);
  multiply(A, A, z);
  multiply(C, SIGNED, A);
  // H and R: what the points differ by, scaled to a common Z.
  subtract(B, B, x);
  carry(B, B);
  subtract(C, C, y);
  square(A, B);
  if (isZeroProduct(A)) {
    if (isZero(C)) double(p);
    else clear(p);
    return;
  }
  multiply(D, A, x);
  multiply(A, A, B);
  multiply(z, z, B);
  square(x, C);
  subtract(x, x, A);
  subtract(x, x, D);
  subtract(x, x, D);
  carry(x, x);
  subtract(D, D, x);
  multiply(D, D, C);
  multiply(A, A, y);
  subtract(y, D, A);
}

/**
 * p = p + q for any p, the identity, q and -q included, and an affine q, in constant time. 7M + 5S.
 *
 * The slope is written ((x₁ + x₂)² - x₁x₂)/(y₁ + y₂), which also holds for doubling (Brier and Joye, 2002). Only where
 * y₁ = -y₂ is it 0/0, and (y₁ - y₂)/(x₁ - x₂) stands in, which for q = -p has 0 below and so gives the identity.
 */
export function addSecret(p: usize, qx: usize, qy: usize): void {
  const x = p;
  const y = p + FIELD;
  const z = p + AFFINE;
  const atIdentity = isZeroProduct(z);
  square(A, z);
  multiply(B, qx, A);
  multiply(A, A, z);
  multiply(C, qy, A);
  add(D, x, B);
  carry(D, D);
  add(E, y, C);
  subtract(F, y, C);
  const opposite = isZero(E);
  subtract(SUM, x, B);
  multiply(B, x, B);
  square(A, D);
  subtract(A, A, B);
  // A / E is the slope, D = x₁ + x₂, all scaled to a common Z.
  select(A, A, F, opposite);
  select(E, E, SUM, opposite);
  carry(E, E);
  multiply(SUM + AFFINE, z, E);
  square(B, E);
  multiply(D, D, B);
  square(B, B);
  set(F, 0);
  select(B, B, F, opposite);
  square(C, A);
  subtract(SUM, C, D);
  scale(C, SUM, 2);
  subtract(C, C, D);
  carry(C, C);
  multiply(C, C, A);
  add(C, C, B);
  scale(C, C, -1);
  halve(SUM + FIELD, C);
  select(x, SUM, qx, atIdentity);
  select(y, SUM + FIELD, qy, atIdentity);
  set(F, 1);
  select(z, SUM + AFFINE, F, atIdentity);
}

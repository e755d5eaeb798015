import { copy, invertAll, isZeroProduct, multiply, select, set, square } from './field';
import { AFFINE, BATCH, FIELD, JACOBIAN, TABLE_TEMPORARIES as T } from './layout';

/** Gives `count` points, one after the other, the Z of 1 with one inversion for all; the identity keeps its Z of 0. */
export function normalizeAll(first: usize, count: usize): void {
  const one = T;
  const power = T + FIELD;
  set(one, 1);
  for (let i: usize = 0; i < count; i++) {
    const z = first + i * JACOBIAN + AFFINE;
    select(BATCH + i * FIELD, z, one, isZeroProduct(z));
  }
  invertAll(BATCH, FIELD, count);
  for (let i: usize = 0; i < count; i++) {
    const x = first + i * JACOBIAN;
    const y = x + FIELD;
    const z = x + AFFINE;
    const inverse = BATCH + i * FIELD;
    square(power, inverse);
    multiply(x, x, power);
    multiply(power, power, inverse);
    multiply(y, y, power);
    select(z, one, z, isZeroProduct(z));
  }
}

/** -1 when a point is the identity, else 0. */
export function isIdentity(p: usize): i32 {
  return isZeroProduct(p + AFFINE);
}

/** p = an affine point. */
export function fromAffine(p: usize, q: usize): void {
  copy(p, q);
  copy(p + FIELD, q + FIELD);
  set(p + AFFINE, 1);
}

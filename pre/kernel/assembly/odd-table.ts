import { carry, copy, invert, invertAll, multiply, scale, square, subtract } from './field';
import { AFFINE, BATCH, ENDOMORPHIC, FIELD, ODD, ODD_TABLE, TABLE_TEMPORARIES as T } from './layout';

/**
 * Tables of P, 3P, 5P, …, each entry affine and with βx beside it. A chain of additions of 2P keeps both summands at one
 * Z, where an addition costs 5M + 2S (Meloni, 2007); no two summands are equal or opposite, the order being a large prime.
 */

/** β of the endomorphism λ(x, y) = (βx, y). */
const BETA = memory.data<i32>([
  0x119501ee, 0x9cb6143, 0x1d626570, 0x92ea25, 0x34e99cf, 0x3cf561a, 0x1c41b991, 0x56caf80, 0x7ae96a,
]);

const X2: usize = T;
const Y2: usize = T + FIELD;
const A: usize = T + 2 * FIELD;
const B: usize = T + 3 * FIELD;
const C: usize = T + 4 * FIELD;
const Z: usize = T + 5 * FIELD;

/** Builds tables 0 to count - 1; each finds its affine point in its first entry. */
export function buildAll(count: usize, entries: usize): void {
  for (let i: usize = 0; i < count; i++) {
    chain(ODD + i * ODD_TABLE, entries);
    copy(BATCH + i * FIELD, Z);
  }
  invertAll(BATCH, FIELD, count);
  for (let i: usize = 0; i < count; i++) {
    copy(Z, BATCH + i * FIELD);
    unchain(ODD + i * ODD_TABLE, entries);
  }
}

/** Builds one table, which finds its affine point in its first entry. */
export function build(table: usize, entries: usize): void {
  chain(table, entries);
  invert(Z, Z);
  unchain(table, entries);
}

/** Each entry gets X and Y at its own Z, and the factor by which its Z exceeds that of the entry before. */
function chain(table: usize, entries: usize): void {
  let x = table;
  let y = table + FIELD;
  // 2P and P with Z = 2y: M = 3x² and S = 4xy² give 2P = (M² - 2S, M(S - X) - 8y⁴) and P = (S, 8y⁴).
  square(B, y);
  square(A, x);
  scale(A, A, 3);
  scale(Z, y, 2);
  multiply(C, x, B);
  scale(C, C, 4);
  scale(B, B, 2);
  square(B, B);
  scale(y, B, 2);
  square(X2, A);
  carry(x, C);
  subtract(X2, X2, x);
  subtract(X2, X2, x);
  carry(X2, X2);
  subtract(C, x, X2);
  multiply(Y2, A, C);
  subtract(Y2, Y2, y);
  carry(Y2, Y2);
  for (let i: usize = 1; i < entries; i++) {
    const nextX = x + ENDOMORPHIC;
    const nextY = y + ENDOMORPHIC;
    const ratio = nextX + AFFINE;
    subtract(ratio, X2, x);
    multiply(Z, Z, ratio);
    square(A, ratio);
    multiply(X2, X2, A);
    multiply(B, x, A);
    subtract(C, Y2, y);
    square(nextX, C);
    subtract(nextX, nextX, X2);
    subtract(nextX, nextX, B);
    carry(nextX, nextX);
    subtract(B, X2, B);
    multiply(Y2, Y2, B);
    subtract(A, X2, nextX);
    multiply(nextY, C, A);
    subtract(nextY, nextY, Y2);
    x = nextX;
    y = nextY;
  }
}

/** Makes the entries affine, the last first. Z holds the inverse of the last one's Z. */
function unchain(table: usize, entries: usize): void {
  for (let i = entries; i > 0; ) {
    i--;
    const x = table + i * ENDOMORPHIC;
    const y = x + FIELD;
    const third = x + AFFINE;
    square(A, Z);
    multiply(x, x, A);
    multiply(A, A, Z);
    multiply(y, y, A);
    if (i > 0) multiply(Z, Z, third);
    multiply(third, x, BETA);
  }
}

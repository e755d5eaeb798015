import { maskOfZero, pack, ripple, unpack } from './digits';
import { invertModulo } from './inversion';
import { BATCH_PRODUCTS, FIELD, FIELD_TEMPORARIES as T } from './layout';

/**
 * Integers modulo p = 2^256 - 2^32 - 977, as nine signed digits of 29 bits in i32, the least first.
 *
 * Digits are lazy. A number has weight w when each of its digits lies between -w·2^28 and w·2^28: products, squares and
 * what `carry` returns have weight 1 (and a hair) and lie between -p and p; sums and differences add their weights.
 * The weights of two factors may multiply to 14, so that nine products fit in 63 bits, and no weight may exceed 6.
 */

const DIGIT: i64 = 0x1fffffff;
const HALF_DIGIT: i64 = 0x10000000;
/** 2^261 = 2^37 + FOLD_261 mod p, and 2^37 is 2^8 in the next digit. */
const FOLD_261: i64 = 31264;
/** 2^256 = 2^32 + FOLD_256 mod p, and 2^32 is 2^3 in the next digit. */
const FOLD_256: i64 = 977;
const HALF_TOP: i64 = 0x800000;
/** p with digits from 0 to 2^29 - 1, and its inverse modulo 2^29. */
const P = memory.data<i32>([
  0x1ffffc2f, 0x1ffffff7, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0xffffff,
]);
const P_INVERSE: i64 = 0xddacacf;

/** r = a·b. */
export function multiply(r: usize, a: usize, b: usize): void {
  const a0 = load<i32>(a) as i64;
  const a1 = load<i32>(a, 4) as i64;
  const a2 = load<i32>(a, 8) as i64;
  const a3 = load<i32>(a, 12) as i64;
  const a4 = load<i32>(a, 16) as i64;
  const a5 = load<i32>(a, 20) as i64;
  const a6 = load<i32>(a, 24) as i64;
  const a7 = load<i32>(a, 28) as i64;
  const a8 = load<i32>(a, 32) as i64;
  const b0 = load<i32>(b) as i64;
  const b1 = load<i32>(b, 4) as i64;
  const b2 = load<i32>(b, 8) as i64;
  const b3 = load<i32>(b, 12) as i64;
  const b4 = load<i32>(b, 16) as i64;
  const b5 = load<i32>(b, 20) as i64;
  const b6 = load<i32>(b, 24) as i64;
  const b7 = load<i32>(b, 28) as i64;
  const b8 = load<i32>(b, 32) as i64;
  const c0 = a0 * b0;
  const c1 = a0 * b1 + a1 * b0;
  const c2 = a0 * b2 + a1 * b1 + a2 * b0;
  const c3 = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0;
  const c4 = a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0;
  const c5 = a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0;
  const c6 = a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0;
  const c7 = a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0;
  const c8 = a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0;
  const c9 = a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1;
  const c10 = a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2;
  const c11 = a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3;
  const c12 = a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4;
  const c13 = a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5;
  const c14 = a6 * b8 + a7 * b7 + a8 * b6;
  const c15 = a7 * b8 + a8 * b7;
  const c16 = a8 * b8;
  reduce(r, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16);
}

/** r = a². */
export function square(r: usize, a: usize): void {
  const a0 = load<i32>(a) as i64;
  const a1 = load<i32>(a, 4) as i64;
  const a2 = load<i32>(a, 8) as i64;
  const a3 = load<i32>(a, 12) as i64;
  const a4 = load<i32>(a, 16) as i64;
  const a5 = load<i32>(a, 20) as i64;
  const a6 = load<i32>(a, 24) as i64;
  const a7 = load<i32>(a, 28) as i64;
  const a8 = load<i32>(a, 32) as i64;
  const d0 = a0 << 1;
  const d1 = a1 << 1;
  const d2 = a2 << 1;
  const d3 = a3 << 1;
  const d4 = a4 << 1;
  const d5 = a5 << 1;
  const d6 = a6 << 1;
  const d7 = a7 << 1;
  const c0 = a0 * a0;
  const c1 = d0 * a1;
  const c2 = d0 * a2 + a1 * a1;
  const c3 = d0 * a3 + d1 * a2;
  const c4 = d0 * a4 + d1 * a3 + a2 * a2;
  const c5 = d0 * a5 + d1 * a4 + d2 * a3;
  const c6 = d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3;
  const c7 = d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4;
  const c8 = d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + a4 * a4;
  const c9 = d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5;
  const c10 = d2 * a8 + d3 * a7 + d4 * a6 + a5 * a5;
  const c11 = d3 * a8 + d4 * a7 + d5 * a6;
  const c12 = d4 * a8 + d5 * a7 + a6 * a6;
  const c13 = d5 * a8 + d6 * a7;
  const c14 = d6 * a8 + a7 * a7;
  const c15 = d7 * a8;
  const c16 = a8 * a8;
  Columns.reduce(r, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16);
}

// biome-ignore lint/complexity/noStaticOnlyClass: TypeScript decorates methods only, and only this decorator inlines.
class Columns {
  /** r = the sum of the columns cₖ·2^(29k) modulo p, weight 1. */
  @inline
  static reduce(
    r: usize,
    c0: i64,
    c1: i64,
    c2: i64,
    c3: i64,
    c4: i64,
    c5: i64,
    c6: i64,
    c7: i64,
    c8: i64,
    c9: i64,
    c10: i64,
    c11: i64,
    c12: i64,
    c13: i64,
    c14: i64,
    c15: i64,
    c16: i64,
  ): void {
    const h9 = c9 & DIGIT;
    c10 += c9 >> 29;
    const h10 = c10 & DIGIT;
    c11 += c10 >> 29;
    const h11 = c11 & DIGIT;
    c12 += c11 >> 29;
    const h12 = c12 & DIGIT;
    c13 += c12 >> 29;
    const h13 = c13 & DIGIT;
    c14 += c13 >> 29;
    const h14 = c14 & DIGIT;
    c15 += c14 >> 29;
    const h15 = c15 & DIGIT;
    c16 += c15 >> 29;
    const h16 = c16 & DIGIT;
    const h17 = c16 >> 29;
    c0 += h9 * FOLD_261;
    c1 += h10 * FOLD_261 + (h9 << 8);
    c2 += h11 * FOLD_261 + (h10 << 8);
    c3 += h12 * FOLD_261 + (h11 << 8);
    c4 += h13 * FOLD_261 + (h12 << 8);
    c5 += h14 * FOLD_261 + (h13 << 8);
    c6 += h15 * FOLD_261 + (h14 << 8);
    c7 += h16 * FOLD_261 + (h15 << 8);
    c8 += h17 * FOLD_261 + (h16 << 8);
    let carry: i64;
    carry = (c0 + HALF_DIGIT) >> 29;
    c0 -= carry << 29;
    c1 += carry;
    carry = (c1 + HALF_DIGIT) >> 29;
    c1 -= carry << 29;
    c2 += carry;
    carry = (c2 + HALF_DIGIT) >> 29;
    c2 -= carry << 29;
    c3 += carry;
    carry = (c3 + HALF_DIGIT) >> 29;
    c3 -= carry << 29;
    c4 += carry;
    carry = (c4 + HALF_DIGIT) >> 29;
    c4 -= carry << 29;
    c5 += carry;
    carry = (c5 + HALF_DIGIT) >> 29;
    c5 -= carry << 29;
    c6 += carry;
    carry = (c6 + HALF_DIGIT) >> 29;
    c6 -= carry << 29;
    c7 += carry;
    carry = (c7 + HALF_DIGIT) >> 29;
    c7 -= carry << 29;
    c8 += carry;
    carry = (c8 + HALF_TOP) >> 24;
    c8 -= carry << 24;
    // The digit above h17·2^8 stands at 2^261, which is 2^5 at 2^256.
    carry += h17 << 13;
    c0 += carry * FOLD_256;
    c1 += carry << 3;
    carry = (c0 + HALF_DIGIT) >> 29;
    c0 -= carry << 29;
    c1 += carry;
    carry = (c1 + HALF_DIGIT) >> 29;
    c1 -= carry << 29;
    c2 += carry;
    store<i32>(r, c0 as i32);
    store<i32>(r, c1 as i32, 4);
    store<i32>(r, c2 as i32, 8);
    store<i32>(r, c3 as i32, 12);
    store<i32>(r, c4 as i32, 16);
    store<i32>(r, c5 as i32, 20);
    store<i32>(r, c6 as i32, 24);
    store<i32>(r, c7 as i32, 28);
    store<i32>(r, c8 as i32, 32);
  }
}

/** The same as a call: inside `multiply`, which has more numbers at hand, it is faster that way. */
function reduce(
  r: usize,
  c0: i64,
  c1: i64,
  c2: i64,
  c3: i64,
  c4: i64,
  c5: i64,
  c6: i64,
  c7: i64,
  c8: i64,
  c9: i64,
  c10: i64,
  c11: i64,
  c12: i64,
  c13: i64,
  c14: i64,
  c15: i64,
  c16: i64,
): void {
  Columns.reduce(r, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16);
}

/** r = a + b. */
export function add(r: usize, a: usize, b: usize): void {
  v128.store(r, i32x4.add(v128.load(a), v128.load(b)));
  v128.store(r, i32x4.add(v128.load(a, 16), v128.load(b, 16)), 16);
  store<i32>(r, load<i32>(a, 32) + load<i32>(b, 32), 32);
}

/** r = a - b. */
export function subtract(r: usize, a: usize, b: usize): void {
  v128.store(r, i32x4.sub(v128.load(a), v128.load(b)));
  v128.store(r, i32x4.sub(v128.load(a, 16), v128.load(b, 16)), 16);
  store<i32>(r, load<i32>(a, 32) - load<i32>(b, 32), 32);
}

/** r = k·a, for a small k. */
export function scale(r: usize, a: usize, k: i32): void {
  v128.store(r, i32x4.mul(v128.load(a), i32x4.splat(k)));
  v128.store(r, i32x4.mul(v128.load(a, 16), i32x4.splat(k)), 16);
  store<i32>(r, load<i32>(a, 32) * k, 32);
}

/** r = -a where the mask is -1, a where it is 0. */
export function negateIf(r: usize, a: usize, mask: i32): void {
  const sign = i32x4.splat(mask);
  v128.store(r, i32x4.sub(v128.xor(v128.load(a), sign), sign));
  v128.store(r, i32x4.sub(v128.xor(v128.load(a, 16), sign), sign), 16);
  store<i32>(r, (load<i32>(a, 32) ^ mask) - mask, 32);
}

/** r = b where the mask is -1, a where it is 0. */
export function select(r: usize, a: usize, b: usize, mask: i32): void {
  const which = i32x4.splat(mask);
  v128.store(r, v128.bitselect(v128.load(b), v128.load(a), which));
  v128.store(r, v128.bitselect(v128.load(b, 16), v128.load(a, 16), which), 16);
  store<i32>(r, load<i32>(a, 32) ^ ((load<i32>(a, 32) ^ load<i32>(b, 32)) & mask), 32);
}

export function copy(r: usize, a: usize): void {
  v128.store(r, v128.load(a));
  v128.store(r, v128.load(a, 16), 16);
  store<i32>(r, load<i32>(a, 32), 32);
}

/** r = the small number k. */
export function set(r: usize, k: i32): void {
  memory.fill(r, 0, FIELD);
  store<i32>(r, k);
}

/** r = a/2: weight (w + 1)/2 + 1/2, where p, being made of three small digits, adds the last half at most. */
export function halve(r: usize, a: usize): void {
  const odd = -(load<i32>(a) & 1);
  const one = i32x4.splat(1);
  const low = i32x4.add(v128.load(a), v128.and(i32x4.splat(odd), i32x4(-977, -8, 0, 0)));
  const high = v128.load(a, 16);
  const top = load<i32>(a, 32) + (odd & 0x1000000);
  // All that is added above the first digit is even: the lowest bits of the next digits are still those of a.
  const lowNext = i32x4.shl(v128.and(v128.load(a, 4), one), 28);
  const highNext = i32x4.shl(v128.and(v128.load(a, 20), one), 28);
  v128.store(r, i32x4.add(i32x4.shr_s(low, 1), lowNext));
  v128.store(r, i32x4.add(i32x4.shr_s(high, 1), highNext), 16);
  store<i32>(r, top >> 1, 32);
}

/** r = a with weight 1. */
export function carry(r: usize, a: usize): void {
  const half = i32x4.splat(0x10000000);
  const low = v128.load(a);
  const high = v128.load(a, 16);
  const top = load<i32>(a, 32);
  const lowCarry = i32x4.shr_s(i32x4.add(low, half), 29);
  const highCarry = i32x4.shr_s(i32x4.add(high, half), 29);
  const topCarry = (top + 0x800000) >> 24;
  const zero = i32x4.splat(0);
  const lowIn = v128.shuffle<i32>(lowCarry, zero, 4, 0, 1, 2);
  const highIn = v128.shuffle<i32>(lowCarry, highCarry, 3, 4, 5, 6);
  const folded = i32x4.mul(i32x4.splat(topCarry), i32x4(977, 8, 0, 0));
  v128.store(r, i32x4.add(i32x4.add(i32x4.sub(low, i32x4.shl(lowCarry, 29)), lowIn), folded));
  v128.store(r, i32x4.add(i32x4.sub(high, i32x4.shl(highCarry, 29)), highIn), 16);
  store<i32>(r, top - (topCarry << 24) + i32x4.extract_lane(highCarry, 3), 32);
}

/** -1 when a product, a square or a constant is 0 mod p, else 0: being above -p and below p it is then the integer 0, digit by digit. */
export function isZeroProduct(a: usize): i32 {
  const both = v128.or(v128.load(a), v128.load(a, 16));
  const lanes = i64x2.extract_lane(both, 0) | i64x2.extract_lane(both, 1);
  return maskOfZero((lanes as i32) | ((lanes >> 32) as i32) | load<i32>(a, 32));
}

/** -1 when a is 0 mod p, else 0. */
export function isZero(a: usize): i32 {
  const top = load<i32>(a, 32);
  const fold = (top + 0x800000) >> 24;
  // What is left lies between -p and p: it is 0 mod p only as the integer 0.
  let digit = load<i32>(a) + fold * 977;
  const any = digit;
  digit = (digit >> 29) + load<i32>(a, 4) + (fold << 3);
  let digits = any & 0x1fffffff;
  digits |= digit & 0x1fffffff;
  for (let i: usize = 2; i < 8; i++) {
    digit = (digit >> 29) + load<i32>(a + (i << 2));
    digits |= digit & 0x1fffffff;
  }
  digits |= (digit >> 29) + top - (fold << 24);
  return maskOfZero(digits);
}

/** r = a with each digit from 0 to 2^29 - 1 and the whole below p. */
function normalize(r: usize, a: usize): void {
  const top = load<i32>(a, 32);
  const fold = (top + 0x800000) >> 24;
  copy(r, a);
  store<i32>(r, top - (fold << 24), 32);
  store<i32>(r, load<i32>(r) + fold * 977);
  store<i32>(r, load<i32>(r, 4) + (fold << 3), 4);
  ripple(r);
  const negative = load<i32>(r, 32) >> 31;
  store<i32>(r, load<i32>(r) - (negative & 977));
  store<i32>(r, load<i32>(r, 4) - (negative & 8), 4);
  store<i32>(r, load<i32>(r, 32) + (negative & 0x1000000), 32);
  ripple(r);
}

/** r = 32 bytes, big-endian, modulo p, with weight 1. */
export function read(r: usize, bytes: usize): void {
  unpack(r, bytes);
  carry(r, r);
}

/** a as 32 bytes, big-endian and below p. */
export function write(bytes: usize, a: usize): void {
  normalize(T, a);
  pack(bytes, T);
}

function squareTimes(r: usize, a: usize, times: i32): void {
  square(r, a);
  for (let i = 1; i < times; i++) square(r, r);
}

/** r = a^(2^times)·b; r is neither a nor b. */
function shiftAppend(r: usize, a: usize, times: i32, b: usize): void {
  squareTimes(r, a, times);
  multiply(r, r, b);
}

/** r = a^((p+1)/4), a root of a if there is one. The exponent is 223 ones, a zero, 22 ones, 4 zeros and 11 00. */
export function root(r: usize, a: usize): void {
  const x2 = T + FIELD;
  const x3 = T + 2 * FIELD;
  const x11 = T + 3 * FIELD;
  const x22 = T + 4 * FIELD;
  const x44 = T + 5 * FIELD;
  const x = T + 6 * FIELD;
  const y = T + 7 * FIELD;
  shiftAppend(x2, a, 1, a);
  shiftAppend(x3, x2, 1, a);
  shiftAppend(x, x3, 3, x3);
  shiftAppend(y, x, 3, x3);
  shiftAppend(x11, y, 2, x2);
  shiftAppend(x22, x11, 11, x11);
  shiftAppend(x44, x22, 22, x22);
  shiftAppend(x, x44, 44, x44);
  shiftAppend(y, x, 88, x);
  shiftAppend(x, y, 44, x44);
  shiftAppend(y, x, 3, x3);
  shiftAppend(x, y, 23, x22);
  shiftAppend(y, x, 6, x2);
  squareTimes(r, y, 2);
}

/** r = 1/a, or 0 of 0. */
export function invert(r: usize, a: usize): void {
  normalize(T, a);
  invertModulo(r, T, P, P_INVERSE);
  carry(r, r);
}

/** Inverts `count` numbers that are not 0 and lie `stride` bytes apart, all with one inversion. */
export function invertAll(first: usize, stride: usize, count: usize): void {
  const product = T + FIELD;
  const inverse = T + 2 * FIELD;
  set(product, 1);
  for (let i: usize = 0; i < count; i++) {
    copy(BATCH_PRODUCTS + i * FIELD, product);
    multiply(product, product, first + i * stride);
  }
  invert(inverse, product);
  for (let i = count; i > 0; ) {
    i--;
    const at = first + i * stride;
    multiply(product, inverse, BATCH_PRODUCTS + i * FIELD);
    multiply(inverse, inverse, at);
    copy(at, product);
  }
}

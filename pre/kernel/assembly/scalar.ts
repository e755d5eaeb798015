import { maskOfZero, pack, ripple, unpack } from './digits';
import { invertModulo } from './inversion';
import { FIELD, SCALAR_TEMPORARIES as T } from './layout';

/**
 * Integers modulo n, the order of the group, as nine digits from 0 to 2^29 - 1, the least first, and always below n.
 * All of it takes the same time whatever the numbers are.
 */

const DIGIT: i64 = 0x1fffffff;
export const N = memory.data<i32>([
  0x10364141, 0x1e92f466, 0x12280eef, 0x1db9cd5e, 0x1fffebaa, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0xffffff,
]);
const N_INVERSE: i64 = 0xa774ec1;
/** n - 1. */
const N_LESS_1 = memory.data<i32>([
  0x10364140, 0x1e92f466, 0x12280eef, 0x1db9cd5e, 0x1fffebaa, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0xffffff,
]);
/** 2^256 - (n - 1). */
const FOLD_NON_ZERO = memory.data<i32>([0xfc9bec0, 0x16d0b99, 0xdd7f110, 0x24632a1, 0x1455]);
/** 2^522 mod n, the square of Montgomery's 2^261. */
const MONTGOMERY_SQUARE = memory.data<i32>([
  0x9f6ab4b, 0x1f300d1e, 0x1c0bd5d8, 0xc8ada8c, 0x11cefa2b, 0x8b79a0f, 0x1e697f5e, 0xe34de2, 0x9c7356,
]);
const HALF_N = memory.data<i32>([
  0x81b20a0, 0x1f497a33, 0x9140777, 0xedce6af, 0x1ffff5d5, 0x1fffffff, 0x1fffffff, 0x1fffffff, 0x7fffff,
]);

/** r = a less m if a is not below m. Returns -1 if it was, else 0. */
function subtractOnce(r: usize, a: usize, m: usize): i32 {
  for (let i: usize = 0; i < FIELD; i += 4) store<i32>(T + i, load<i32>(a + i) - load<i32>(m + i));
  ripple(T);
  const below = load<i32>(T, 32) >> 31;
  for (let i: usize = 0; i < FIELD; i += 4) {
    const difference = load<i32>(T + i);
    store<i32>(r + i, difference ^ ((difference ^ load<i32>(a + i)) & below));
  }
  return below;
}

/** -1 when a is below m, else 0; for any 256 bits. */
export function isBelow(a: usize, m: usize): i32 {
  return subtractOnce(T + FIELD, a, m);
}

export function isZero(a: usize): i32 {
  let digits: i32 = 0;
  for (let i: usize = 0; i < FIELD; i += 4) digits |= load<i32>(a + i);
  return maskOfZero(digits);
}

/** r = 32 bytes, big-endian, modulo n. */
export function read(r: usize, bytes: usize): void {
  unpack(r, bytes);
  subtractOnce(r, r, N);
}

/** r = 32 bytes, big-endian. Returns -1 when they are a number from 1 to n - 1, else 0. */
export function readNonZero(r: usize, bytes: usize): i32 {
  unpack(r, bytes);
  return isBelow(r, N) & ~isZero(r);
}

export function write(bytes: usize, a: usize): void {
  pack(bytes, a);
}

/** -1 when a is at most (n - 1)/2, else 0. */
export function isLow(a: usize): i32 {
  return ~isBelow(HALF_N, a);
}

/** r = a + b. */
export function add(r: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < FIELD; i += 4) store<i32>(r + i, load<i32>(a + i) + load<i32>(b + i));
  ripple(r);
  subtractOnce(r, r, N);
}

/** r = -a. */
export function negate(r: usize, a: usize): void {
  const some = ~isZero(a);
  for (let i: usize = 0; i < FIELD; i += 4) store<i32>(r + i, (load<i32>(N + i) - load<i32>(a + i)) & some);
  ripple(r);
}

/** r = a if the mask is 0, -a if it is -1. */
export function negateIf(r: usize, a: usize, mask: i32): void {
  const negative = T + FIELD;
  negate(negative, a);
  for (let i: usize = 0; i < FIELD; i += 4) {
    const digit = load<i32>(a + i);
    store<i32>(r + i, digit ^ ((digit ^ load<i32>(negative + i)) & mask));
  }
}

/** r = a/2. */
export function halve(r: usize, a: usize): void {
  const odd = -(load<i32>(a) & 1);
  for (let i: usize = 0; i < FIELD; i += 4) store<i32>(r + i, load<i32>(a + i) + (load<i32>(N + i) & odd));
  ripple(r);
  for (let i: usize = 0; i < 32; i += 4) {
    store<i32>(r + i, (load<i32>(r + i) >> 1) | ((load<i32>(r + i, 4) & 1) << 28));
  }
  store<i32>(r, load<i32>(r, 32) >> 1, 32);
}

/** r = a·b/2^261 (Montgomery 1985). */
function montgomery(r: usize, a: usize, b: usize): void {
  let c0: u64 = 0;
  let c1: u64 = 0;
  let c2: u64 = 0;
  let c3: u64 = 0;
  let c4: u64 = 0;
  let c5: u64 = 0;
  let c6: u64 = 0;
  let c7: u64 = 0;
  let c8: u64 = 0;
  for (let i: usize = 0; i < FIELD; i += 4) {
    const d = load<u32>(a + i) as u64;
    c0 += d * (load<u32>(b) as u64);
    // What makes the lowest digit vanish: -1/n, here as 2^29 - 1/n.
    const m = (c0 * (0x20000000 - N_INVERSE)) & DIGIT;
    // Eighteen products below 2^58 fit in 63 bits, so that columns carry only as they leave.
    c0 = (c0 + m * (load<u32>(N) as u64)) >> 29;
    c0 += c1 + d * (load<u32>(b, 4) as u64) + m * (load<u32>(N, 4) as u64);
    c1 = c2 + d * (load<u32>(b, 8) as u64) + m * (load<u32>(N, 8) as u64);
    c2 = c3 + d * (load<u32>(b, 12) as u64) + m * (load<u32>(N, 12) as u64);
    c3 = c4 + d * (load<u32>(b, 16) as u64) + m * (load<u32>(N, 16) as u64);
    c4 = c5 + d * (load<u32>(b, 20) as u64) + m * (load<u32>(N, 20) as u64);
    c5 = c6 + d * (load<u32>(b, 24) as u64) + m * (load<u32>(N, 24) as u64);
    c6 = c7 + d * (load<u32>(b, 28) as u64) + m * (load<u32>(N, 28) as u64);
    c7 = c8 + d * (load<u32>(b, 32) as u64) + m * (load<u32>(N, 32) as u64);
    c8 = 0;
  }
  store<u32>(r, (c0 & DIGIT) as u32);
  c1 += c0 >> 29;
  store<u32>(r, (c1 & DIGIT) as u32, 4);
  c2 += c1 >> 29;
  store<u32>(r, (c2 & DIGIT) as u32, 8);
  c3 += c2 >> 29;
  store<u32>(r, (c3 & DIGIT) as u32, 12);
  c4 += c3 >> 29;
  store<u32>(r, (c4 & DIGIT) as u32, 16);
  c5 += c4 >> 29;
  store<u32>(r, (c5 & DIGIT) as u32, 20);
  c6 += c5 >> 29;
  store<u32>(r, (c6 & DIGIT) as u32, 24);
  c7 += c6 >> 29;
  store<u32>(r, (c7 & DIGIT) as u32, 28);
  store<u32>(r, (c8 + (c7 >> 29)) as u32, 32);
  subtractOnce(r, r, N);
}

/** r = a·b. */
export function multiply(r: usize, a: usize, b: usize): void {
  const product = T + FIELD;
  montgomery(product, a, b);
  montgomery(r, product, MONTGOMERY_SQUARE);
}

/** r = 1/a, or 0 of 0. */
export function invert(r: usize, a: usize): void {
  invertModulo(r, a, N, N_INVERSE);
}

/** r = (48 bytes as a big-endian integer mod (n - 1)) + 1. */
export function readWide(r: usize, bytes: usize): void {
  const high = T + FIELD;
  memory.fill(T, 0, 32);
  memory.copy(T + 16, bytes, 16);
  unpack(high, T);
  unpack(r, bytes + 16);
  // 2^256 = FOLD_NON_ZERO mod (n - 1): the 128 bits above it, times that, are below 1.3 · 2^256.
  let column: u64 = 0;
  for (let k: usize = 0; k < 9; k++) {
    column += load<u32>(r + (k << 2)) as u64;
    for (let i: usize = 0; i < 5; i++) {
      const j = k - i;
      if (j < 5) column += (load<u32>(high + (i << 2)) as u64) * (load<u32>(FOLD_NON_ZERO + (j << 2)) as u64);
    }
    store<u32>(r + (k << 2), (k < 8 ? column & DIGIT : column) as u32);
    column >>= 29;
  }
  subtractOnce(r, r, N_LESS_1);
  subtractOnce(r, r, N_LESS_1);
  store<i32>(r, load<i32>(r) + 1);
  ripple(r);
}

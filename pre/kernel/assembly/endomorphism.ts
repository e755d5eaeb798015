import { packFive } from './digits';
import { SPLIT_TEMPORARIES as T } from './layout';

/**
 * λ(x, y) = (βx, y): scalars as k₁ + k₂·λ with both halves below 2^128 in size (Gallant, Lambert and Vanstone, 2001).
 * The lattice of all (a, b) with a + bλ = 0 mod n has the basis (a₁, b₁), (a₂, b₂), where b₂ = a₁. Rounding leaves at
 * most a little more than half of each vector: (a₁ + a₂)/2 and (a₁ - b₁)/2 are below 0.64 · 2^128.
 */

const DIGIT: i64 = 0x1fffffff;
/** 2^384·b₂/n and -2^384·b₁/n, rounded. */
const G1 = memory.data<i32>([
  0x5dbb031, 0x49904d2, 0x1a329ffa, 0x151428e3, 0xeb153da, 0x8724942, 0xf37a1b2, 0x434fa8d, 0x3086d2,
]);
const G2 = memory.data<i32>([
  0xac47f71, 0xb8da574, 0x1d41b185, 0x411593b, 0x1e4c4221, 0x1fd4855f, 0xa1bd51, 0x1ac021d1, 0xe4437e,
]);
const A1 = memory.data<i32>([0x1284eb15, 0x3648724, 0x151af37a, 0xda4434f, 0x308]);
const MINUS_B1 = memory.data<i32>([0xabfe4c3, 0x1aa3fd48, 0x3a20a1b, 0x6fdac02, 0xe44]);
const A2 = memory.data<i32>([0x1d44cfd8, 0x1e08846c, 0x18bcfd95, 0x14a1ef51, 0x114c]);

const C1: usize = T;
const C2: usize = T + 20;
const DIGITS: usize = T + 40;

/** c = k·g/2^384, rounded: five digits. 384 is 13 digits and 7 bits. */
function quotient(c: usize, k: usize, g: usize): void {
  let column: i64 = 0;
  let digit: i64 = 0;
  for (let at: i32 = 0; at < 18; at++) {
    // The half that rounds.
    if (at === 13) column += 1 << 6;
    for (let i = max(0, at - 8); i <= min(8, at); i++) {
      column += (load<i32>(k + (i << 2)) as i64) * (load<i32>(g + ((at - i) << 2)) as i64);
    }
    const next = column & DIGIT;
    if (at > 13) store<i32>(c + ((at - 14) << 2), ((digit >> 7) | ((next & 0x7f) << 22)) as i32);
    digit = next;
    column >>= 29;
  }
  store<i32>(c, (digit >> 7) as i32, 16);
}

/**
 * Stores k₁ + 2^128 and k₂ + 2^128, each 24 bytes little-endian, between 0 and 2^129, in time that does not depend on k.
 */
export function split(first: usize, second: usize, k: usize): void {
  quotient(C1, k, G1);
  quotient(C2, k, G2);
  // k₁ = k - c₁a₁ - c₂a₂ and k₂ = -c₁b₁ - c₂b₂ are so small that their lowest 145 bits are all of them.
  combine(first, k, -1, A1, A2);
  memory.fill(DIGITS + 20, 0, 20);
  combine(second, DIGITS + 20, 1, MINUS_B1, A1);
}

/** The low five digits of start + sign·c₁u - c₂v + 2^128. */
function combine(out: usize, start: usize, sign: i64, u: usize, v: usize): void {
  let column: i64 = 0;
  for (let at: usize = 0; at < 5; at++) {
    column += load<i32>(start + (at << 2)) as i64;
    if (at === 4) column += 1 << 12;
    for (let i: usize = 0; i <= at; i++) {
      const j = (at - i) << 2;
      column += sign * (load<i32>(C1 + (i << 2)) as i64) * (load<i32>(u + j) as i64);
      column -= (load<i32>(C2 + (i << 2)) as i64) * (load<i32>(v + j) as i64);
    }
    store<i32>(DIGITS + (at << 2), (column & DIGIT) as i32);
    column >>= 29;
  }
  packFive(out, DIGITS);
}

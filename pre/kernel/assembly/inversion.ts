import { ripple } from './digits';
import { FIELD, INVERSION_TEMPORARIES as T } from './layout';

/**
 * Inversion by divsteps (Bernstein and Yang, "Fast constant-time gcd computation and modular inversion", 2019) in the
 * variant that starts at δ = 1/2, for which 590 steps suffice up to 256 bits. Here 21 rounds of 29 steps each work on the
 * lowest digits of f and g and yield a matrix, which is then applied to the whole of f, g and of their cofactors d, e.
 */

const ROUNDS = 21;
const DIGIT: i64 = 0x1fffffff;

const F: usize = T;
const G: usize = T + FIELD;
const D: usize = T + 2 * FIELD;
const E: usize = T + 3 * FIELD;

/**
 * r = 1/a modulo an odd prime m, or 0 of 0, in constant time. All have digits from 0 to 2^29 - 1; a is below m.
 * @param inverse 1/m modulo 2^29
 */
export function invertModulo(r: usize, a: usize, m: usize, inverse: i64): void {
  memory.copy(F, m, FIELD);
  memory.copy(G, a, FIELD);
  memory.fill(D, 0, 2 * FIELD);
  store<i32>(E, 1);
  // -(δ + 1/2)
  let zeta: i32 = -1;
  for (let round = 0; round < ROUNDS; round++) {
    let u: i32 = 1;
    let v: i32 = 0;
    let q: i32 = 0;
    let s: i32 = 1;
    let f = load<i32>(F);
    let g = load<i32>(G);
    for (let step = 0; step < 29; step++) {
      let positive = zeta >> 31;
      const odd = -(g & 1);
      // g gains ±f when it is odd: minus when δ is positive, and f then takes the place of g.
      g += ((f ^ positive) - positive) & odd;
      q += ((u ^ positive) - positive) & odd;
      s += ((v ^ positive) - positive) & odd;
      positive &= odd;
      zeta = (zeta ^ positive) - 1;
      f += g & positive;
      u += q & positive;
      v += s & positive;
      g >>= 1;
      u <<= 1;
      v <<= 1;
    }
    applyToCofactors(u, v, q, s, m, inverse);
    apply(u, v, q, s);
  }
  // f is now 1 or -1, and d is f/a, between -m and 2m.
  const sign = load<i32>(F, 32) >> 31;
  addIfNegative(D, m);
  for (let i: usize = 0; i < FIELD; i += 4) store<i32>(D + i, (load<i32>(D + i) ^ sign) - sign);
  ripple(D);
  addIfNegative(D, m);
  memory.copy(r, D, FIELD);
}

/** (f, g) = (u·f + v·g, q·f + s·g) / 2^29, which divides without remainder. */
function apply(u: i64, v: i64, q: i64, s: i64): void {
  let f = load<i32>(F) as i64;
  let g = load<i32>(G) as i64;
  let first = (u * f + v * g) >> 29;
  let second = (q * f + s * g) >> 29;
  for (let i: usize = 4; i < FIELD; i += 4) {
    f = load<i32>(F + i) as i64;
    g = load<i32>(G + i) as i64;
    first += u * f + v * g;
    second += q * f + s * g;
    store<i32>(F + i - 4, (first & DIGIT) as i32);
    store<i32>(G + i - 4, (second & DIGIT) as i32);
    first >>= 29;
    second >>= 29;
  }
  store<i32>(F, first as i32, 32);
  store<i32>(G, second as i32, 32);
}

/** (d, e) = (u·d + v·e, q·d + s·e) / 2^29 modulo m, between -2m and m if they were. */
function applyToCofactors(u: i64, v: i64, q: i64, s: i64, m: usize, inverse: i64): void {
  const dSign = (load<i32>(D, 32) >> 31) as i64;
  const eSign = (load<i32>(E, 32) >> 31) as i64;
  let d = load<i32>(D) as i64;
  let e = load<i32>(E) as i64;
  let first = u * d + v * e;
  let second = q * d + s * e;
  // How often m is added: once for each negative cofactor, and as often as makes the lowest digit vanish.
  let firstTimes = (u & dSign) + (v & eSign);
  let secondTimes = (q & dSign) + (s & eSign);
  firstTimes -= (inverse * first + firstTimes) & DIGIT;
  secondTimes -= (inverse * second + secondTimes) & DIGIT;
  let digit = load<i32>(m) as i64;
  first = (first + digit * firstTimes) >> 29;
  second = (second + digit * secondTimes) >> 29;
  for (let i: usize = 4; i < FIELD; i += 4) {
    d = load<i32>(D + i) as i64;
    e = load<i32>(E + i) as i64;
    digit = load<i32>(m + i) as i64;
    first += u * d + v * e + digit * firstTimes;
    second += q * d + s * e + digit * secondTimes;
    store<i32>(D + i - 4, (first & DIGIT) as i32);
    store<i32>(E + i - 4, (second & DIGIT) as i32);
    first >>= 29;
    second >>= 29;
  }
  store<i32>(D, first as i32, 32);
  store<i32>(E, second as i32, 32);
}

function addIfNegative(r: usize, m: usize): void {
  const negative = load<i32>(r, 32) >> 31;
  for (let i: usize = 0; i < FIELD; i += 4) store<i32>(r + i, load<i32>(r + i) + (load<i32>(m + i) & negative));
  ripple(r);
}

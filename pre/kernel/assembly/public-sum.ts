import * as comb from './comb';
import { packFive } from './digits';
import { split } from './endomorphism';
import {
  AFFINE,
  COMB,
  COMB_BLOCK,
  COMB_BLOCKS,
  COMB_ENTRIES,
  COMB_SPACING,
  COMBS,
  DIGITS_HALF,
  ENDOMORPHIC,
  FIELD,
  ODD,
  ODD_TABLE,
  SUM_TEMPORARIES as T,
  WIDE,
  WIDES,
} from './layout';
import { addPublic, clear, double } from './point';
import { digitsOf, readScalar, tableOf } from './terms';

/**
 * Sums of public scalar · point whose doublings are shared (Straus, 1964). Scalars of 2^128 and more are split in two by
 * the endomorphism, and the digits are in non-adjacent form (Solinas, 2000): odd or zero, and few. Prepared points among
 * themselves are summed by their combs, which need next to no doublings.
 */

/** Odd digits up to 15 for any point, up to 127 for a prepared one. */
const WIDTH = 5;
const PREPARED_WIDTH = 8;
export const PUBLIC_ENTRIES: usize = 8;
const LENGTH = 130;

const K: usize = T;

/** p = the sum of terms first to first + count - 1. */
export function sumPublic(p: usize, first: usize, count: usize): void {
  const end = first + count;
  let byCombs = true;
  for (let term = first; term < end; term++) byCombs = byCombs && tableOf(term) < 0;
  for (let term = first; term < end; term++) {
    readScalar(K, term);
    if (byCombs) comb.recode(digitsOf(term), K);
    else recode(digitsOf(term), K, tableOf(term) < 0 ? PREPARED_WIDTH : WIDTH);
  }
  clear(p);
  for (let position = (byCombs ? (COMB_SPACING as i32) : LENGTH) - 1; position >= 0; position--) {
    double(p);
    for (let term = first; term < end; term++) {
      const digits = digitsOf(term);
      const table = tableOf(term);
      if (byCombs) {
        addColumns(p, digits, -1 - table, position);
        continue;
      }
      const entries = table < 0 ? WIDES + ((-1 - table) as usize) * WIDE : ODD + (table as usize) * ODD_TABLE;
      const digit = load<i8>(digits + position) as i32;
      if (digit !== 0) {
        const entry = entries + ((abs(digit) >> 1) as usize) * ENDOMORPHIC;
        addPublic(p, entry, entry + FIELD, digit >> 31);
      }
      const other = load<i8>(digits + DIGITS_HALF + position) as i32;
      if (other !== 0) {
        const entry = entries + ((abs(other) >> 1) as usize) * ENDOMORPHIC;
        addPublic(p, entry + AFFINE, entry + FIELD, other >> 31);
      }
    }
  }
}

function addColumns(p: usize, digits: usize, index: i32, row: i32): void {
  for (let block = 0; block < (COMB_BLOCKS as i32); block++) {
    const bits = comb.column(digits, block, row);
    const negative = (bits >> 5) - 1;
    const at = (bits ^ negative) & ((COMB_ENTRIES as i32) - 1);
    const entry = COMBS + (index as usize) * COMB + (block as usize) * COMB_BLOCK + (at as usize) * AFFINE;
    addPublic(p, entry, entry + FIELD, negative);
  }
}

/** Below 2^128 a scalar is its own first half. */
function recode(digits: usize, k: usize, width: i32): void {
  const second = digits + DIGITS_HALF;
  if (load<i32>(k, 16) >> 12 === 0 && (load<i64>(k, 20) | load<i64>(k, 28)) === 0) {
    packFive(digits, k);
    nonAdjacent(digits, 0, width);
    memory.fill(second, 0, DIGITS_HALF);
    return;
  }
  split(digits, second, k);
  nonAdjacent(digits, center(digits), width);
  nonAdjacent(second, center(second), width);
}

/** Takes off the 2^128 that `split` added: leaves the size, which is below 2^128, and returns the sign as a mask. */
function center(half: usize): i32 {
  const low = load<u64>(half);
  const high = load<u64>(half, 8);
  const isNegative = load<u64>(half, 16) === 0;
  store<u64>(half, 0, 16);
  if (!isNegative) return 0;
  store<u64>(half, 0 - low);
  store<u64>(half, ~high + (low === 0 ? 1 : 0), 8);
  return -1;
}

/** Replaces a number of 24 bytes by its digits, a byte each and negated where the mask is -1. */
function nonAdjacent(half: usize, sign: i32, width: i32): void {
  let low = load<u64>(half);
  let high = load<u64>(half, 8);
  let top = load<u64>(half, 16);
  memory.fill(half, 0, DIGITS_HALF);
  let carry: i32 = 0;
  for (let at = 0; at < LENGTH; ) {
    let step = 1;
    if (((low as i32) & 1) !== carry) {
      const digit = ((low as i32) & ((1 << width) - 1)) + carry;
      carry = digit >> (width - 1);
      store<i8>(half + at, (((digit - (carry << width)) ^ sign) - sign) as i8);
      step = width;
    }
    low = (low >> step) | (high << (64 - step));
    high = (high >> step) | (top << (64 - step));
    top >>= step;
    at += step;
  }
}

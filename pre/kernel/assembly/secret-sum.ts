import * as comb from './comb';
import { split } from './endomorphism';
import { negateIf } from './field';
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
  ODD_ENTRIES,
  ODD_TABLE,
  SUM_TEMPORARIES as T,
} from './layout';
import { addSecret, clear, double } from './point';
import { add, halve } from './scalar';
import { digitsOf, readScalar, tableOf } from './terms';

/**
 * Sums of secret scalar · point whose doublings are shared (Straus, 1964). A prepared point costs 44 additions; any other
 * has its scalar split in two by the endomorphism and costs 52. What depends on a scalar is only what is computed, never
 * which instruction runs or which address is read.
 */

/** Bits of a window, and how many windows hold 2^129. */
const WINDOW = 5;
const WINDOWS = 26;
/** (2^129 - 1)(1 + λ) mod n. */
const HALVES_PLUS = memory.data<i32>([
  0x1e9798d9, 0xe160ee6, 0xe8a792d, 0x15d0904d, 0x18d6b589, 0xb5fbe08, 0xd3b0af7, 0xfb96260, 0xa4e88a,
]);

const K: usize = T;
const SELECTED: usize = T + FIELD;

/** p = the sum of terms first to first + count - 1, whose scalars are secret. */
export function sumSecret(p: usize, first: usize, count: usize): void {
  const end = first + count;
  let position = (COMB_SPACING as i32) - 1;
  for (let term = first; term < end; term++) {
    const digits = digitsOf(term);
    readScalar(K, term);
    if (tableOf(term) < 0) {
      comb.recode(digits, K);
      continue;
    }
    // Both halves as Σ ±2^i over 130 bits: bit i of (half + 2^130 - 1)/2 tells the sign. Taking the constant and the
    // halving before the split leaves halves below 2^128 in size, to which the split adds 2^128.
    add(K, K, HALVES_PLUS);
    halve(K, K);
    split(digits, digits + DIGITS_HALF, K);
    position = WINDOW * (WINDOWS - 1);
  }
  clear(p);
  for (; position >= 0; position--) {
    double(p);
    for (let term = first; term < end; term++) {
      const digits = digitsOf(term);
      const table = tableOf(term);
      if (table < 0) {
        if (position < (COMB_SPACING as i32)) addColumns(p, digits, -1 - table, position);
      } else if (position % WINDOW === 0) {
        const entries = ODD + (table as usize) * ODD_TABLE;
        selectSigned(entries, ENDOMORPHIC, ODD_ENTRIES, window(digits, position), SELECTED + FIELD);
        addSecret(p, SELECTED, SELECTED + FIELD);
        // λ(x, y) = (βx, y), and an entry reads y, βx from its second coordinate on.
        selectSigned(entries + FIELD, ENDOMORPHIC, ODD_ENTRIES, window(digits + DIGITS_HALF, position), SELECTED);
        addSecret(p, SELECTED + FIELD, SELECTED);
      }
    }
  }
}

function addColumns(p: usize, digits: usize, index: i32, row: i32): void {
  for (let block = 0; block < (COMB_BLOCKS as i32); block++) {
    const entries = COMBS + (index as usize) * COMB + (block as usize) * COMB_BLOCK;
    selectSigned(entries, AFFINE, COMB_ENTRIES, comb.column(digits, block, row), SELECTED + FIELD);
    addSecret(p, SELECTED, SELECTED + FIELD);
  }
}

function window(digits: usize, position: i32): i32 {
  return (load<i32>(digits + (position >> 3)) >> (position & 7)) & ((1 << WINDOW) - 1);
}

/**
 * SELECTED = the entry that signed digits mean. The highest bit is the sign: where it is 0 the entry is that of the other
 * bits' complement, negated.
 * @param y where y stands in SELECTED
 */
function selectSigned(table: usize, stride: usize, entries: usize, bits: i32, y: usize): void {
  const negative = ((bits & (entries as i32)) - 1) >> 31;
  scan(table, stride, entries, (bits ^ negative) & ((entries as i32) - 1));
  negateIf(y, y, negative);
}

/** SELECTED = the 72 bytes of entry `wanted`; every entry is read. */
function scan(table: usize, stride: usize, entries: usize, wanted: i32): void {
  let first = i32x4.splat(0);
  let second = first;
  let third = first;
  let fourth = first;
  let last: i64 = 0;
  for (let i = 0; i < (entries as i32); i++) {
    const differs = i ^ wanted;
    const bit = (differs - 1) >> 31;
    const mask = i32x4.splat(bit);
    first = v128.or(first, v128.and(v128.load(table), mask));
    second = v128.or(second, v128.and(v128.load(table, 16), mask));
    third = v128.or(third, v128.and(v128.load(table, 32), mask));
    fourth = v128.or(fourth, v128.and(v128.load(table, 48), mask));
    last |= load<i64>(table, 64) & (bit as i64);
    table += stride;
  }
  v128.store(SELECTED, first);
  v128.store(SELECTED, second, 16);
  v128.store(SELECTED, third, 32);
  v128.store(SELECTED, fourth, 48);
  store<i64>(SELECTED, last, 64);
}

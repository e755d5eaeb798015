import { fromAffine, normalizeAll } from './affine';
import { packLittle } from './digits';
import {
  AFFINE,
  COMB,
  COMB_BLOCK,
  COMB_BLOCKS,
  COMB_ENTRIES,
  COMB_SPACING,
  COMB_TEETH,
  COMBS,
  FIELD,
  JACOBIAN,
  ODD,
  SUM_TEMPORARIES as T,
} from './layout';
import { addPublic, double } from './point';
import { add, halve } from './scalar';

/**
 * Signed combs (Lim and Lee, 1994; with digits of ±1, Hedabou, Pinel and Bénéteau, 2004) for points that are multiplied
 * often. A scalar is written as Σ ±2^i over 264 bits: bit i of (k + 2^264 - 1)/2 tells the sign. Tooth t stands on bit
 * 4t, six teeth make a block, and of each block's 64 sums of ±2^4t·P the table has the 32 whose last sign is plus.
 */

/** 2^264 - 1 mod n. */
const ALL_PLUS = memory.data<i32>([0x9bebeff, 0xd0b997e, 0x17f1100b, 0x632a16e, 0x145512, 0, 0, 0, 0]);

const SIGNS: usize = T;
/** While a table is built: 2^4t·P and 2^(4t+1)·P for each tooth, then the sums of a block. */
const TEETH: usize = ODD;
const SUMS: usize = TEETH + 2 * COMB_TEETH * COMB_BLOCKS * JACOBIAN;

/** Fills table `index` for the affine point p, which is public. */
export function build(index: usize, p: usize): void {
  const walker = T;
  fromAffine(walker, p);
  for (let tooth: usize = 0; tooth < COMB_TEETH * COMB_BLOCKS; tooth++) {
    memory.copy(TEETH + 2 * tooth * JACOBIAN, walker, JACOBIAN);
    double(walker);
    memory.copy(TEETH + (2 * tooth + 1) * JACOBIAN, walker, JACOBIAN);
    for (let i: usize = 1; i < COMB_SPACING; i++) double(walker);
  }
  normalizeAll(TEETH, 2 * COMB_TEETH * COMB_BLOCKS);
  for (let block: usize = 0; block < COMB_BLOCKS; block++) {
    const teeth = TEETH + 2 * block * COMB_TEETH * JACOBIAN;
    memory.copy(SUMS, teeth + 2 * (COMB_TEETH - 1) * JACOBIAN, JACOBIAN);
    for (let tooth: usize = 0; tooth < COMB_TEETH - 1; tooth++) addAffine(SUMS, teeth + 2 * tooth * JACOBIAN, -1);
    for (let tooth: usize = 0; tooth < COMB_TEETH - 1; tooth++) {
      const half: usize = 1 << tooth;
      for (let i: usize = 0; i < half; i++) {
        const sum = SUMS + (half + i) * JACOBIAN;
        memory.copy(sum, SUMS + i * JACOBIAN, JACOBIAN);
        addAffine(sum, teeth + (2 * tooth + 1) * JACOBIAN, 0);
      }
    }
    normalizeAll(SUMS, COMB_ENTRIES);
    for (let i: usize = 0; i < COMB_ENTRIES; i++) {
      memory.copy(COMBS + index * COMB + block * COMB_BLOCK + i * AFFINE, SUMS + i * JACOBIAN, AFFINE);
    }
  }
}

function addAffine(p: usize, q: usize, negative: i32): void {
  addPublic(p, q, q + FIELD, negative);
}

/** Stores the signs of a scalar, 40 bytes little-endian. Secret. */
export function recode(signs: usize, k: usize): void {
  add(SIGNS, k, ALL_PLUS);
  halve(SIGNS, SIGNS);
  packLittle(signs, SIGNS);
  store<u64>(signs, 0, 32);
}

/** The signs of a block's six teeth, each moved up by `row` bits: bit 5 is the last tooth's. */
export function column(signs: usize, block: i32, row: i32): i32 {
  let bits: i32 = 0;
  for (let tooth = 0; tooth < (COMB_TEETH as i32); tooth++) {
    const at = (block * (COMB_TEETH as i32) + tooth) * (COMB_SPACING as i32) + row;
    bits |= (((load<u8>(signs + (at >> 3)) as i32) >> (at & 7)) & 1) << tooth;
  }
  return bits;
}

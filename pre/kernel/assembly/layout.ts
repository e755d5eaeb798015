/**
 * The linear memory, in bytes. The first KiB stays unused, constants follow it (`memoryBase`), and everything that may hold
 * a secret lies between SCALARS and COMBS: what arithmetic with scalars alone needs comes before POINTS, odd tables come
 * last, so that a wipe covers what was used. From COMBS on lie the tables of prepared points, which are public.
 */

/** Nine i32: an element of the field or a scalar. */
export const FIELD: usize = 36;
/** x, y. */
export const AFFINE: usize = 72;
/** X, Y, Z: the point (X/Z², Y/Z³), or the identity when Z is zero. */
export const JACOBIAN: usize = 108;
/** x, y, βx: a point P and, from y on, λP but for the order of its coordinates. */
export const ENDOMORPHIC: usize = 108;

/** How many terms, points and results a call can hold. */
export const CAPACITY: usize = 32;

/** Scalars as they come and go: 32 bytes, big-endian. */
export const SCALARS: usize = 0x1000;
/** What the files work with, each its own, so that no call overwrites its caller's numbers. */
export const FIELD_TEMPORARIES: usize = SCALARS + CAPACITY * 32;
export const INVERSION_TEMPORARIES: usize = FIELD_TEMPORARIES + 8 * FIELD;
export const SCALAR_TEMPORARIES: usize = INVERSION_TEMPORARIES + 4 * FIELD;
export const SPLIT_TEMPORARIES: usize = SCALAR_TEMPORARIES + 2 * FIELD;
export const POINT_TEMPORARIES: usize = SPLIT_TEMPORARIES + 4 * FIELD;
export const TABLE_TEMPORARIES: usize = POINT_TEMPORARIES + 10 * FIELD;
export const SUM_TEMPORARIES: usize = TABLE_TEMPORARIES + 6 * FIELD;
export const ECDSA_TEMPORARIES: usize = SUM_TEMPORARIES + 4 * FIELD;
export const CODING_TEMPORARIES: usize = ECDSA_TEMPORARIES + 6 * FIELD;
export const ARITHMETIC_TEMPORARIES: usize = CODING_TEMPORARIES + 3 * FIELD;
/** Points as they come and go: 64 bytes x | y, big-endian. */
export const POINTS: usize = ARITHMETIC_TEMPORARIES + 2 * FIELD;
/** The point each term multiplies, an i32: index of an odd table, or -1 - index of a prepared point. */
export const TERMS: usize = POINTS + CAPACITY * 64;
export const HASH_TEMPORARIES: usize = TERMS + CAPACITY * 4;
export const NONCE_TEMPORARIES: usize = HASH_TEMPORARIES + 256 + 32 + 64;
/** What a multiplication reads the digits of a scalar from, for each term two halves. */
export const DIGITS: usize = NONCE_TEMPORARIES + 32 + 192 + 32;
export const DIGITS_HALF: usize = 136;
export const DIGITS_TERM: usize = 2 * DIGITS_HALF;
export const RESULTS: usize = DIGITS + CAPACITY * DIGITS_TERM;
/** The numbers that are inverted together, and their running products. */
export const BATCH: usize = RESULTS + CAPACITY * JACOBIAN;
const BATCH_CAPACITY: usize = 132;
export const BATCH_PRODUCTS: usize = BATCH + BATCH_CAPACITY * FIELD;
/** Odd multiples of each point. */
export const ODD: usize = BATCH_PRODUCTS + BATCH_CAPACITY * FIELD;
export const ODD_ENTRIES: usize = 16;
export const ODD_TABLE: usize = ODD_ENTRIES * ENDOMORPHIC;

/** For each prepared point a comb: for each block of six teeth, the 32 sums ±T₀ ± … ± T₄ + T₅. */
export const COMBS: usize = ODD + CAPACITY * ODD_TABLE;
export const COMB_TEETH: usize = 6;
export const COMB_SPACING: usize = 4;
export const COMB_BLOCKS: usize = 11;
export const COMB_ENTRIES: usize = 32;
export const COMB_BLOCK: usize = COMB_ENTRIES * AFFINE;
export const COMB: usize = COMB_BLOCKS * COMB_BLOCK;
/** How many points may be prepared. */
export const PREPARED_CAPACITY: usize = 16;
/** For each prepared point a longer odd table. */
export const WIDES: usize = COMBS + PREPARED_CAPACITY * COMB;
export const WIDE_ENTRIES: usize = 64;
export const WIDE: usize = WIDE_ENTRIES * ENDOMORPHIC;
export const MEMORY_END: usize = WIDES + PREPARED_CAPACITY * WIDE;

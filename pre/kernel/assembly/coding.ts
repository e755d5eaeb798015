import { isIdentity, normalizeAll } from './affine';
import * as field from './field';
import { FIELD, JACOBIAN, POINTS, RESULTS, CODING_TEMPORARIES as T } from './layout';

/** How points enter and leave: 64 bytes x | y, each big-endian and below p. */

const X: usize = T;
const Y: usize = T + FIELD;
const CHECK: usize = T + 2 * FIELD;
const SEVEN = memory.data<i32>([7, 0, 0, 0, 0, 0, 0, 0, 0]);

/** q = point i, which lies on the curve, in affine coordinates. */
export function readPoint(q: usize, i: usize): void {
  field.read(q, POINTS + i * 64);
  field.read(q + FIELD, POINTS + i * 64 + 32);
}

/** Gives the first point, of which x is there, the y that is odd or even. Returns whether there is one. Public. */
export function decode(odd: i32): bool {
  if (!isBelowPrime(POINTS)) return false;
  field.read(X, POINTS);
  field.square(Y, X);
  field.multiply(X, X, Y);
  field.add(X, X, SEVEN);
  field.root(Y, X);
  field.square(CHECK, Y);
  field.subtract(CHECK, CHECK, X);
  if (!field.isZero(CHECK)) return false;
  field.write(POINTS + 32, Y);
  if ((load<u8>(POINTS, 63) & 1) !== odd) {
    field.negateIf(Y, Y, -1);
    field.write(POINTS + 32, Y);
  }
  return true;
}

/** Of 32 bytes, big-endian. p is 2^256 - 2^32 - 977. */
function isBelowPrime(bytes: usize): bool {
  if ((load<u64>(bytes) & load<u64>(bytes, 8) & load<u64>(bytes, 16)) !== u64.MAX_VALUE) return true;
  return bswap(load<u64>(bytes, 24)) < u64.MAX_VALUE - 0x1000003d0;
}

/** Writes results 0 to count - 1 to the points. Returns a bit for each that is the identity. */
export function writeResults(count: usize): i32 {
  let identities: i32 = 0;
  normalizeAll(RESULTS, count);
  for (let i: usize = 0; i < count; i++) {
    const result = RESULTS + i * JACOBIAN;
    field.write(POINTS + i * 64, result);
    field.write(POINTS + i * 64 + 32, result + FIELD);
    identities |= (isIdentity(result) & 1) << (i as i32);
  }
  return identities;
}

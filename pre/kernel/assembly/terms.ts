import { DIGITS, DIGITS_TERM, SCALARS, TERMS } from './layout';
import { read } from './scalar';

/** Index of a term's odd table or, below 0, -1 - index of its prepared point. */
export function tableOf(term: usize): i32 {
  return load<i32>(TERMS + (term << 2));
}

/** Where a term's digits are. */
export function digitsOf(term: usize): usize {
  return DIGITS + term * DIGITS_TERM;
}

/** k = a term's scalar. */
export function readScalar(k: usize, term: usize): void {
  read(k, SCALARS + term * 32);
}

import { isIdentity, normalizeAll } from './affine';
import * as field from './field';
import { AFFINE, FIELD, POINTS, RESULTS, SCALARS, ECDSA_TEMPORARIES as T, TERMS } from './layout';
import * as nonce from './nonce';
import { sumPublic } from './public-sum';
import * as scalar from './scalar';
import { sumSecret } from './secret-sum';

/** ECDSA over secp256k1 (FIPS 186-5), s always at most (n - 1)/2. The generator is the first prepared point. */

const GENERATOR: i32 = -1;
const R: usize = T;
const S: usize = T + FIELD;
const E: usize = T + 2 * FIELD;
const D: usize = T + 3 * FIELD;
const X: usize = T + 4 * FIELD;
const Y: usize = T + 5 * FIELD;

/** p - n. */
const FIELD_EXCESS = memory.data<i32>([0xfc9baee, 0x16d0b91, 0xdd7f110, 0x24632a1, 0x1455, 0, 0, 0, 0]);

/**
 * Writes r | s in place of the first point. The first three scalars are the secret, the hash, which is reduced in its
 * place, and the additional data of the nonce.
 */
export function sign(): void {
  scalar.read(D, SCALARS);
  scalar.read(E, SCALARS + 32);
  scalar.write(SCALARS + 32, E);
  nonce.begin(SCALARS);
  nonce.next(SCALARS);
  while (!signWith(SCALARS)) {
    nonce.reject();
    nonce.next(SCALARS);
  }
}

/** Signs E with the secret D. Returns whether the nonce served. */
function signWith(k: usize): bool {
  if (!scalar.readNonZero(S, k)) return false;
  store<i32>(TERMS, GENERATOR);
  sumSecret(RESULTS, 0, 1);
  normalizeAll(RESULTS, 1);
  field.write(POINTS, RESULTS);
  scalar.read(R, POINTS);
  scalar.invert(S, S);
  scalar.multiply(X, D, R);
  scalar.add(X, X, E);
  scalar.multiply(S, S, X);
  scalar.negateIf(S, S, ~scalar.isLow(S));
  scalar.write(POINTS, R);
  scalar.write(POINTS + 32, S);
  return (scalar.isZero(R) | scalar.isZero(S)) === 0;
}

/**
 * Whether r | s in place of the first two scalars signs the hash in place of the third. The second term is set to the key;
 * nothing here is secret.
 */
export function verify(): bool {
  if (!(scalar.readNonZero(R, SCALARS) & scalar.readNonZero(S, SCALARS + 32) & scalar.isLow(S))) return false;
  scalar.read(E, SCALARS + 64);
  scalar.invert(S, S);
  scalar.multiply(E, E, S);
  scalar.multiply(D, R, S);
  store<i32>(TERMS, GENERATOR);
  scalar.write(SCALARS, E);
  scalar.write(SCALARS + 32, D);
  sumPublic(RESULTS, 0, 2);
  if (isIdentity(RESULTS)) return false;
  // x mod n = r without dividing by Z²: x is r or, where that is below p, r + n.
  field.square(Y, RESULTS + AFFINE);
  field.carry(X, R);
  if (isX(X)) return true;
  if (!scalar.isBelow(R, FIELD_EXCESS)) return false;
  field.add(X, R, scalar.N);
  field.carry(X, X);
  return isX(X);
}

/** Whether the result's X is x·Z², Y being Z². */
function isX(x: usize): bool {
  field.multiply(x, x, Y);
  field.subtract(x, x, RESULTS);
  return field.isZero(x) !== 0;
}

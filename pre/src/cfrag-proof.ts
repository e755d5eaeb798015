import { binaryString } from './bytes.ts';
import { hashToScalar, ONE, SCALAR_BYTES } from './curve.ts';
import type { Point, Scalar } from './group.ts';
import { draw, systemRng } from './rng.ts';
import type { Suite } from './suite.ts';
import { requireUmbral } from './suite.ts';
import { UMBRAL } from './tags.ts';

const WEIGHT_BYTES = 16;

/** Shows that E1 = rk·E and V1 = rk·V for the rk of U1 = rk·u: zE = E2 + hE1, zV = V2 + hV1, zu = U2 + hU1 (SPEC.md §2.7). */
export interface CfragProof {
  readonly e: Point;
  readonly v: Point;
  readonly e1: Point;
  readonly v1: Point;
  readonly u1: Point;
  readonly e2: Point;
  readonly v2: Point;
  readonly u2: Point;
  readonly z: Scalar;
}

/** h, which whoever makes a proof cannot choose. */
export function challenge(suite: Suite, { e, e1, e2, v, v1, v2, u1, u2 }: Omit<CfragProof, 'z'>): Scalar {
  const points = [e, e1, e2, v, v1, v2, requireUmbral(suite), u1, u2].map(({ bytes }) => bytes);
  return hashToScalar(suite, UMBRAL.cfragVerification, ...points);
}

/**
 * Whether all proofs hold. Their equations are added up with weights nobody could know beforehand (Bellare, Garay and Rabin
 * 1998, small exponents): if one does not hold, the sum does with probability 2^-128.
 */
export function proofsHold(suite: Suite, proofs: readonly CfragProof[]): boolean {
  const { group } = suite;
  const u = requireUmbral(suite);
  const sum = new Map<Point, Scalar>();
  const add = (scalar: Scalar, point: Point) => {
    const before = sum.get(point);
    sum.set(point, before ? group.addScalars(before, scalar) : scalar);
  };
  const commitments = new Map<string, Point>();
  const weights = randomWeights(3 * proofs.length);
  for (const proof of proofs) {
    const { e, v, e1, v1, u1, e2, v2, u2, z } = proof;
    const h = challenge(suite, proof);
    const minusZ = group.negate(z);
    for (const [base, first, second] of [
      [e, e1, e2],
      [v, v1, v2],
      // All that a proxy makes with one key fragment has the same U1, and all have the same u: one multiple of each.
      [u, interned(commitments, u1), u2],
    ] as const) {
      const weight = weights.next().value;
      add(weight, second);
      add(group.multiplyScalars(weight, h), first);
      add(group.multiplyScalars(weight, minusZ), base);
    }
  }
  return group.vanishes(Array.from(sum, ([point, scalar]) => ({ scalar, point })));
}

function interned(points: Map<string, Point>, point: Point): Point {
  const key = binaryString(point.bytes);
  const known = points.get(key) ?? point;
  points.set(key, known);
  return known;
}

/** One, and then random numbers of 128 bits. */
function* randomWeights(count: number): Generator<Scalar, never> {
  yield ONE;
  const bytes = draw(systemRng, count * WEIGHT_BYTES);
  for (let at = 0; ; at += WEIGHT_BYTES) {
    const scalar = new Uint8Array(SCALAR_BYTES);
    scalar.set(bytes.subarray(at, at + WEIGHT_BYTES), SCALAR_BYTES - WEIGHT_BYTES);
    yield scalar;
  }
}

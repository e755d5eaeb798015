import { deepStrictEqual, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js';
import type { Point, Scalar, Secp256k1, Term } from '../src/group.ts';

/**
 * Random cases, with the awkward ones among them, that compare every function of a group with noble. Points are known by
 * their logarithms to G and u, so that most answers need arithmetic with integers only.
 */

const Noble = secp256k1.Point;
const ORDER = Noble.Fn.ORDER;
const LAMBDA = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n;
const NOBLE_U = secp256k1_hasher
  .hashToCurve(new TextEncoder().encode('POINT_U'), { DST: 'PARAMETERS' })
  .precompute(8, false);
const NOBLE_G = Noble.BASE.precompute(8, false);

/** Where digits are all plus, all minus or zero, halves are small, negative or zero, and carries run long. */
const COMB_OFFSET = 2n ** 264n - 1n;
const WINDOW_OFFSET = (2n ** 129n - 1n) * (1n + LAMBDA);
export const EDGE_SCALARS: readonly bigint[] = [
  [1n, 2n, 3n, 15n, 16n, 17n, 31n, 32n, 33n],
  [1n, 2n, 3n, 31n, 32n].map((less) => ORDER - less),
  [(ORDER - 1n) / 2n, (ORDER + 1n) / 2n, LAMBDA, LAMBDA + 1n, LAMBDA - 1n, ORDER - LAMBDA, LAMBDA * LAMBDA],
  [2n * LAMBDA, 31n * LAMBDA, 32n * LAMBDA, 1n - 31n * LAMBDA, 16n * (1n + LAMBDA)],
  [127n, 128n, 129n, 255n].flatMap((bit) => [2n ** bit - 1n, 2n ** bit, 2n ** bit + 1n]),
  [-COMB_OFFSET, -COMB_OFFSET + 2n, COMB_OFFSET, -WINDOW_OFFSET, -WINDOW_OFFSET + 2n, WINDOW_OFFSET],
]
  .flat()
  .map(modulo);

function modulo(value: bigint): bigint {
  return Noble.Fn.create(value);
}

/** 32 bytes, big-endian. */
export function bytesOf(value: bigint, size = 32): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex'));
}

export function integerOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}

/** A point that is g·G + u·u. */
interface Known {
  readonly point: Point;
  readonly g: bigint;
  readonly u: bigint;
}

function nobleSum(g: bigint, u: bigint) {
  return NOBLE_G.multiplyUnsafe(modulo(g)).add(NOBLE_U.multiplyUnsafe(modulo(u)));
}

export class Cases {
  readonly #group: Secp256k1;
  readonly #seed: string;
  readonly #points: Known[] = [];
  #counter = 0;

  constructor(group: Secp256k1, seed: string) {
    this.#group = group;
    this.#seed = seed;
    const edges = [1n, -1n, 2n, -2n, LAMBDA, -LAMBDA, LAMBDA * LAMBDA, (ORDER + 1n) / 2n];
    const logarithms: readonly (readonly [bigint, bigint])[] = [
      ...edges.map((edge) => [edge, 0n] as const),
      ...edges.map((edge) => [0n, edge] as const),
      ...Array.from({ length: 12 }, () => [this.#random(), 0n] as const),
      [1n, 1n],
      [1n, -1n],
    ];
    this.#points.push({ point: group.generator, g: 1n, u: 0n }, { point: group.u, g: 0n, u: 1n });
    for (const [g, u] of logarithms) {
      const bytes = nobleSum(g, u).toBytes();
      const point = group.decode(bytes);
      ok(point !== undefined);
      this.#points.push({ point, g, u });
    }
  }

  bytes(length: number): Uint8Array {
    const blocks = Array.from({ length: Math.ceil(length / 64) }, () =>
      createHash('sha512')
        .update(`${this.#seed}:${this.#counter++}`)
        .digest(),
    );
    return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
  }

  /** A number from 0 to below - 1. */
  #below(below: number): number {
    return Buffer.from(this.bytes(4)).readUInt32LE() % below;
  }

  #one<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }

  #random(): bigint {
    return modulo(integerOf(this.bytes(48)));
  }

  /** Not zero. */
  scalar(): bigint {
    const kind = this.#below(8);
    if (kind === 0) return this.#one(EDGE_SCALARS);
    if (kind === 1) return modulo(this.#one(EDGE_SCALARS) + BigInt(this.#below(65) - 32)) || 1n;
    if (kind === 2) return integerOf(this.bytes(16)) || 1n;
    if (kind === 3) return this.#runs() || 1n;
    if (kind === 4) return modulo(BigInt(this.#below(64) - 32) + BigInt(this.#below(64) - 32) * LAMBDA) || 1n;
    return this.#random() || 1n;
  }

  /** Long runs of zeros and ones. */
  #runs(): bigint {
    let value = 0n;
    for (let bits = 0; bits < 256; ) {
      const length = 1 + this.#below(80);
      value = (value << BigInt(length)) | (this.#below(2) === 0 ? 0n : 2n ** BigInt(length) - 1n);
      bits += length;
    }
    return modulo(value);
  }

  #terms(count: number): { terms: Term[]; g: bigint; u: bigint } {
    let [g, u] = [0n, 0n];
    const terms = Array.from({ length: count }, () => {
      const known = this.#one(this.#points);
      // Few scalars, so that terms cancel out or double each other.
      const scalar = this.#below(3) === 0 ? this.#one([1n, ORDER - 1n, 2n, LAMBDA]) : this.scalar();
      g += scalar * known.g;
      u += scalar * known.u;
      return { scalar: bytesOf(scalar), point: known.point };
    });
    return { terms, g: modulo(g), u: modulo(u) };
  }

  /** That a point is g·G + u·u, or nothing when that is the identity: by noble, or by the group's own public arithmetic. */
  #check(point: Point | undefined, g: bigint, u: bigint, byNoble: boolean): void {
    if (point === undefined) {
      deepStrictEqual([g, u], [0n, 0n]);
      return;
    }
    if (byNoble) {
      const expected = nobleSum(g, u);
      deepStrictEqual(point.bytes, expected.toBytes());
      deepStrictEqual(point.affine, expected.toBytes(false).subarray(1));
      return;
    }
    const terms = [
      { scalar: bytesOf(g), point: this.#group.generator },
      { scalar: bytesOf(u), point: this.#group.u },
      { scalar: bytesOf(ORDER - 1n), point },
    ];
    ok(this.#group.vanishes(terms));
  }

  multiply(byNoble = true): void {
    const known = Array.from({ length: 1 + this.#below(4) }, () => this.#one(this.#points));
    const scalars = known.map(() => this.scalar());
    const products = this.#group.multiply(
      known.map(({ point }, at) => ({ scalar: bytesOf(scalars[at] ?? 0n), point })),
    );
    for (const [at, { g, u }] of known.entries()) {
      const scalar = scalars[at] ?? 0n;
      this.#check(products[at], modulo(scalar * g), modulo(scalar * u), byNoble);
    }
  }

  combine(byNoble = true): void {
    const { terms, g, u } = this.#terms(this.#below(6));
    if (this.#below(4) === 0) terms.push({ scalar: bytesOf(0n), point: this.#one(this.#points).point });
    this.#check(this.#group.combine(terms), g, u, byNoble);
  }

  vanishes(): void {
    const { terms, g, u } = this.#terms(this.#below(10));
    deepStrictEqual(this.#group.vanishes(terms), g === 0n && u === 0n);
    terms.push({ scalar: bytesOf(modulo(-g)), point: this.#group.generator });
    terms.push({ scalar: bytesOf(modulo(-u)), point: this.#group.u });
    deepStrictEqual(this.#group.vanishes(terms), true);
  }

  add(byNoble = true): void {
    const [a, b] = [this.#one(this.#points), this.#one(this.#points)];
    this.#check(this.#group.add(a.point, b.point), modulo(a.g + b.g), modulo(a.u + b.u), byNoble);
  }

  prepare(): void {
    this.#group.prepare(this.#one(this.#points).point);
  }

  decode(): void {
    const bytes = this.bytes(33);
    bytes[0] = this.#one([2, 3]);
    if (this.#below(4) === 0) bytes.fill(0xff, 1, 29);
    let expected: Uint8Array | undefined;
    try {
      expected = Noble.fromBytes(bytes).toBytes(false).subarray(1);
    } catch {
      expected = undefined;
    }
    deepStrictEqual(this.#group.decode(bytes)?.affine, expected);
  }

  scalars(): void {
    const [a, b] = [this.scalar(), this.scalar()];
    const same = (result: Scalar, expected: bigint) => deepStrictEqual(result, bytesOf(modulo(expected)));
    same(this.#group.addScalars(bytesOf(a), bytesOf(b)), a + b);
    same(this.#group.addScalars(bytesOf(a), bytesOf(0n)), a);
    same(this.#group.multiplyScalars(bytesOf(a), bytesOf(b)), a * b);
    same(this.#group.multiplyScalars(bytesOf(a), bytesOf(0n)), 0n);
    same(this.#group.negate(bytesOf(a)), -a);
    same(this.#group.multiplyScalars(this.#group.invert(bytesOf(a)), bytesOf(a)), 1n);
    const wide = this.bytes(this.#one([32, 48]));
    if (this.#below(2) === 0) wide.fill(this.#one([0, 0xff]), 0, wide.length - this.#below(wide.length));
    same(this.#group.nonZero(wide), (integerOf(wide) % (ORDER - 1n)) + 1n);
    const near = modulo(BigInt(this.#below(7) - 3));
    deepStrictEqual(this.#group.isNonZero(bytesOf(near)), near !== 0n);
    deepStrictEqual(this.#group.isNonZero(bytesOf(ORDER + BigInt(this.#below(3)))), false);
  }

  signatures(): void {
    const secret = this.scalar();
    const hash = this.#below(8) === 0 ? new Uint8Array(32).fill(this.#one([0, 0xff])) : this.bytes(32);
    const entropy = this.bytes(32);
    const signature = this.#group.sign(hash, bytesOf(secret), entropy);
    deepStrictEqual(signature, secp256k1.sign(hash, bytesOf(secret), { prehash: false, extraEntropy: entropy }));
    this.#verify(secret, hash, signature);
  }

  /** Verification alone, of what needs no noble: signatures that were made by the equation and spoilt since. */
  verify(): void {
    const [secret, hash] = [this.scalar(), this.bytes(32)];
    this.#verify(secret, hash, this.#group.sign(hash, bytesOf(secret), this.bytes(32)));
  }

  #verify(secret: bigint, hash: Uint8Array, signature: Uint8Array): void {
    const [key] = this.#group.multiply([{ scalar: bytesOf(secret), point: this.#group.generator }]);
    ok(key !== undefined);
    deepStrictEqual(this.#group.verify(hash, signature, key), true);
    const spoilt = new Uint8Array(signature);
    const at = this.#below(spoilt.length);
    spoilt[at] = (spoilt[at] ?? 0) ^ (1 << this.#below(8));
    deepStrictEqual(this.#group.verify(hash, spoilt, key), false);
    const s = integerOf(signature.subarray(32));
    const high = new Uint8Array([...signature.subarray(0, 32), ...bytesOf(ORDER - s)]);
    deepStrictEqual(this.#group.verify(hash, high, key), false);
  }
}

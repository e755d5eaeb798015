import { equal } from './bytes.ts';
import { ONE, POINT_BYTES, SCALAR_BYTES, WIDE_SCALAR_BYTES } from './curve.ts';
import type { Scalar, Secp256k1, Term } from './group.ts';
import { Point, requireCurve } from './group.ts';
import { KERNEL_BASE64 } from './kernel-binary.ts';

const AFFINE_BYTES = 64;
const COORDINATE_BYTES = 32;
const SIGNATURE_BYTES = 64;

const GENERATOR = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
/** SPEC.md §2.1. */
const U = '03079390d0fbe220fc34aab8ecbf49098098036820fadb98c03143e55db8ec73cd';

const SECRET = 'tablesForSecret';
const PUBLIC = 'tablesForPublic';

/** As much of WebAssembly as is used: not every set of types that checks this file declares it. */
declare const WebAssembly: {
  Module: new (binary: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** An exported constant. */
interface Constant {
  readonly value: number;
}

/** What kernel/assembly/index.ts exports; see there. */
export interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly capacity: Constant;
  readonly preparedCapacity: Constant;
  readonly scalars: Constant;
  readonly points: Constant;
  readonly terms: Constant;
  readonly secretsStart: Constant;
  readonly secretsEnd: Constant;
  readonly constantsEnd: Constant;
  readonly memoryEnd: Constant;
  decode(odd: number): number;
  addPoints(): void;
  isResultIdentity(): number;
  writeResults(count: number): number;
  tablesForSecret(count: number): void;
  tablesForPublic(count: number): void;
  prepare(index: number): void;
  sumSecret(result: number, first: number, count: number): void;
  sumPublic(result: number, first: number, count: number): void;
  nonZero(): void;
  isNonZero(): number;
  addScalars(): void;
  multiplyScalars(): void;
  negate(): void;
  invert(): void;
  sign(): void;
  verify(): number;
  wipe(tables: number): void;
  wipeScalars(): void;
}

/** A place for the tables of a point that is multiplied often, about 32 kB. */
interface Slot {
  readonly index: number;
  readonly point: Point;
  built: boolean;
  lastUse: number;
}

/** The group in WebAssembly. */
export class KernelGroup implements Secp256k1 {
  readonly implementation = 'webassembly';
  readonly generator: Point;
  readonly u: Point;
  readonly #kernel: Kernel;
  readonly #memory: Uint8Array;
  readonly #terms: Int32Array;
  readonly #scalars: number;
  readonly #points: number;
  readonly #capacity: number;
  /** The generator and u keep the first two; the others go to whom was used last. */
  readonly #slots: Slot[] = [];
  readonly #prepared = new WeakMap<Point, Slot>();
  #uses = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#memory = new Uint8Array(kernel.memory.buffer);
    this.#capacity = kernel.capacity.value;
    this.#scalars = kernel.scalars.value;
    this.#points = kernel.points.value;
    this.#terms = new Int32Array(kernel.memory.buffer, kernel.terms.value, this.#capacity);
    this.generator = this.#constant(GENERATOR);
    this.u = this.#constant(U);
  }

  decode(bytes: Uint8Array): Point | undefined {
    const prefix = bytes[0];
    if (bytes.length !== POINT_BYTES || (prefix !== 2 && prefix !== 3)) return undefined;
    try {
      this.#memory.set(bytes.subarray(1), this.#points);
      return this.#kernel.decode(prefix & 1) === 0 ? undefined : this.#readPoint(0);
    } finally {
      this.#kernel.wipe(0);
    }
  }

  add(a: Point, b: Point): Point | undefined {
    try {
      this.#writePoint(0, a);
      this.#writePoint(1, b);
      this.#kernel.addPoints();
      return this.#readResults(1)[0];
    } finally {
      this.#kernel.wipe(0);
    }
  }

  multiply(terms: readonly Term[]): Point[] {
    return chunks(terms, this.#capacity).flatMap((chunk) =>
      this.#withTables(chunk, SECRET, () => {
        for (const at of chunk.keys()) this.#kernel.sumSecret(at, at, 1);
        return this.#readResults(chunk.length).map(notIdentity);
      }),
    );
  }

  combine(terms: readonly Term[]): Point | undefined {
    if (terms.length > this.#capacity) return this.combine(this.#partialSums(terms, SECRET));
    return this.#withTables(terms, SECRET, () => {
      this.#kernel.sumSecret(0, 0, terms.length);
      return this.#readResults(1)[0];
    });
  }

  vanishes(terms: readonly Term[]): boolean {
    if (terms.length > this.#capacity) return this.vanishes(this.#partialSums(terms, PUBLIC));
    return this.#withTables(terms, PUBLIC, () => {
      this.#kernel.sumPublic(0, 0, terms.length);
      return this.#kernel.isResultIdentity() !== 0;
    });
  }

  prepare(point: Point): void {
    if (this.#slotOf(point) !== undefined) return;
    const same = this.#slots.find((slot) => equal(slot.point.bytes, point.bytes));
    this.#prepared.set(point, same ?? this.#claimSlot(point));
  }

  nonZero(bytes: Uint8Array): Scalar {
    if (bytes.length !== WIDE_SCALAR_BYTES) requireLength(bytes, SCALAR_BYTES);
    return this.#arithmetic(() => {
      this.#memory.set(bytes, this.#scalars + WIDE_SCALAR_BYTES - bytes.length);
      this.#kernel.nonZero();
    });
  }

  isNonZero(bytes: Uint8Array): boolean {
    if (bytes.length !== SCALAR_BYTES) return false;
    try {
      this.#writeScalar(0, bytes);
      return this.#kernel.isNonZero() !== 0;
    } finally {
      this.#kernel.wipeScalars();
    }
  }

  addScalars(a: Scalar, b: Scalar): Scalar {
    return this.#arithmetic(() => {
      this.#writeScalar(0, a);
      this.#writeScalar(1, b);
      this.#kernel.addScalars();
    });
  }

  multiplyScalars(a: Scalar, b: Scalar): Scalar {
    return this.#arithmetic(() => {
      this.#writeScalar(0, a);
      this.#writeScalar(1, b);
      this.#kernel.multiplyScalars();
    });
  }

  negate(scalar: Scalar): Scalar {
    return this.#arithmetic(() => {
      this.#writeScalar(0, scalar);
      this.#kernel.negate();
    });
  }

  invert(scalar: Scalar): Scalar {
    return this.#arithmetic(() => {
      this.#writeScalar(0, scalar);
      this.#kernel.invert();
    });
  }

  sign(hash: Uint8Array, secret: Scalar, entropy: Uint8Array): Uint8Array {
    this.#preparedIndex(this.generator);
    try {
      for (const [at, bytes] of [secret, hash, entropy].entries()) this.#writeScalar(at, bytes);
      this.#kernel.sign();
      return this.#memory.slice(this.#points, this.#points + SIGNATURE_BYTES);
    } finally {
      this.#kernel.wipe(0);
    }
  }

  verify(hash: Uint8Array, signature: Uint8Array, key: Point): boolean {
    if (signature.length !== SIGNATURE_BYTES) return false;
    const terms = [
      { scalar: signature.subarray(0, SCALAR_BYTES), point: this.generator },
      { scalar: signature.subarray(SCALAR_BYTES), point: key },
    ];
    return this.#withTables(terms, PUBLIC, () => {
      this.#writeScalar(2, hash);
      return this.#kernel.verify() !== 0;
    });
  }

  /** Has the terms, and tables for their points, in place while `work` runs, and nothing of them afterwards. */
  #withTables<T>(terms: readonly Term[], build: 'tablesForSecret' | 'tablesForPublic', work: () => T): T {
    // Points are prepared before anything else is written: that takes the place of the odd tables.
    const slots = terms.map(({ point }) => this.#preparedIndex(point));
    const tables: Point[] = [];
    try {
      for (const [at, { scalar, point }] of terms.entries()) {
        this.#writeScalar(at, scalar);
        const index = slots[at];
        this.#terms[at] = index === undefined ? this.#table(tables, point) : -1 - index;
      }
      if (tables.length > 0) this.#kernel[build](tables.length);
      return work();
    } finally {
      this.#kernel.wipe(tables.length);
    }
  }

  /** The index of the point's odd table, which terms with the same point share. */
  #table(tables: Point[], point: Point): number {
    const known = tables.indexOf(point);
    if (known !== -1) return known;
    this.#writePoint(tables.length, point);
    return tables.push(point) - 1;
  }

  /** The index of the point's tables, if it is prepared; they are built when they are first needed. */
  #preparedIndex(point: Point): number | undefined {
    const slot = this.#slotOf(point);
    if (slot === undefined) return undefined;
    this.#uses += 1;
    slot.lastUse = this.#uses;
    if (!slot.built) {
      this.#writePoint(0, point);
      this.#kernel.prepare(slot.index);
      // This worked where all the odd tables lie: what is left there is public, but the next wipe may be shorter.
      this.#kernel.wipe(this.#capacity);
      slot.built = true;
    }
    return slot.index;
  }

  /** The point's place, unless another point has taken it since. */
  #slotOf(point: Point): Slot | undefined {
    const slot = this.#prepared.get(point);
    return slot !== undefined && this.#slots[slot.index] === slot ? slot : undefined;
  }

  /** The next free slot, or that which was not used for the longest time. */
  #claimSlot(point: Point): Slot {
    let index = this.#slots.length;
    if (index === this.#kernel.preparedCapacity.value) {
      const [, , ...others] = this.#slots;
      index = others.reduce((oldest, slot) => (slot.lastUse < oldest.lastUse ? slot : oldest)).index;
    }
    this.#uses += 1;
    const slot = { index, point, built: false, lastUse: this.#uses };
    this.#slots[index] = slot;
    return slot;
  }

  #constant(hex: string): Point {
    const point = notIdentity(
      this.decode(Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))),
    );
    this.prepare(point);
    return point;
  }

  /** Sums of as many terms as fit, to be summed in turn. */
  #partialSums(terms: readonly Term[], build: 'tablesForSecret' | 'tablesForPublic'): Term[] {
    const sum = build === SECRET ? 'sumSecret' : 'sumPublic';
    return chunks(terms, this.#capacity).flatMap((chunk) => {
      const point = this.#withTables(chunk, build, () => {
        this.#kernel[sum](0, 0, chunk.length);
        return this.#readResults(1)[0];
      });
      return point === undefined ? [] : [{ scalar: ONE, point }];
    });
  }

  /** Runs `work`, which leaves its result in place of the first scalar. */
  #arithmetic(work: () => void): Scalar {
    try {
      work();
      return this.#memory.slice(this.#scalars, this.#scalars + SCALAR_BYTES);
    } finally {
      this.#kernel.wipeScalars();
    }
  }

  #writeScalar(at: number, scalar: Uint8Array): void {
    requireLength(scalar, SCALAR_BYTES);
    this.#memory.set(scalar, this.#scalars + at * SCALAR_BYTES);
  }

  #writePoint(at: number, point: Point): void {
    requireCurve(point, 'secp256k1');
    requireLength(point.affine, AFFINE_BYTES);
    this.#memory.set(point.affine, this.#points + at * AFFINE_BYTES);
  }

  #readResults(count: number): (Point | undefined)[] {
    const identities = this.#kernel.writeResults(count);
    return Array.from({ length: count }, (_, at) => ((identities >>> at) & 1 ? undefined : this.#readPoint(at)));
  }

  #readPoint(at: number): Point {
    const start = this.#points + at * AFFINE_BYTES;
    const affine = this.#memory.slice(start, start + AFFINE_BYTES);
    const bytes = new Uint8Array(POINT_BYTES);
    bytes[0] = 2 + ((affine[AFFINE_BYTES - 1] ?? 0) & 1);
    bytes.set(affine.subarray(0, COORDINATE_BYTES), 1);
    return new Point(bytes, affine);
  }
}

/**
 * A kernel of its own memory, or nothing where WebAssembly is missing, lacks SIMD, or is forbidden by a content security
 * policy without `wasm-unsafe-eval`. Compiled synchronously, which every engine allows in workers and in Node, and browsers
 * on the main thread as well at this size (Chrome's limit there is 8 MB since version 115, before that 4 kB).
 */
export function instantiateKernel(): Kernel | undefined {
  try {
    const binary = Uint8Array.from(atob(KERNEL_BASE64), (letter) => letter.charCodeAt(0));
    return new WebAssembly.Instance(new WebAssembly.Module(binary)).exports as Kernel;
  } catch {
    return undefined;
  }
}

/** The group in WebAssembly, or nothing where that does not run. */
export function wasmGroup(): Secp256k1 | undefined {
  const kernel = instantiateKernel();
  return kernel && new KernelGroup(kernel);
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}

function requireLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${length} bytes expected, not ${bytes.length}`);
}

function notIdentity(point: Point | undefined): Point {
  if (point === undefined) throw new RangeError('a product that is the identity');
  return point;
}

import { beforeEach, describe, expect, test, vi } from 'vitest';

/**
 * The sources of the kernel are TypeScript too. Here they run on weights instead of numbers: how large the digits at an
 * address can be in the worst case, which random numbers never meet (kernel/assembly/field.ts).
 */
const { weights, answers, field } = vi.hoisted(() => {
  const LARGEST = 6;
  const LARGEST_PRODUCT = 14;
  const weights = new Map<number, number>();
  /** What the tests for zero answer. */
  const answers = { product: 0, sum: 0 };

  const read = (at: number): number => {
    const weight = weights.get(at);
    if (weight === undefined) throw new Error(`nothing was written to ${at}`);
    return weight;
  };
  const write = (at: number, weight: number): void => {
    if (weight > LARGEST) throw new Error(`weight ${weight}`);
    weights.set(at, weight);
  };
  const times = (a: number, b: number): void => {
    if (a * b > LARGEST_PRODUCT) throw new Error(`weights ${a} and ${b} multiplied`);
  };

  const field = {
    multiply: (r: number, a: number, b: number) => {
      times(read(a), read(b));
      write(r, 1);
    },
    square: (r: number, a: number) => {
      times(read(a), read(a));
      write(r, 1);
    },
    add: (r: number, a: number, b: number) => write(r, read(a) + read(b)),
    subtract: (r: number, a: number, b: number) => write(r, read(a) + read(b)),
    scale: (r: number, a: number, k: number) => write(r, read(a) * Math.abs(k)),
    negateIf: (r: number, a: number) => write(r, read(a)),
    select: (r: number, a: number, b: number) => write(r, Math.max(read(a), read(b))),
    copy: (r: number, a: number) => write(r, read(a)),
    set: (r: number) => write(r, 1),
    halve: (r: number, a: number) => write(r, read(a) / 2 + 1),
    carry: (r: number, a: number) => {
      read(a);
      write(r, 1);
    },
    isZero: (a: number) => {
      read(a);
      return answers.sum;
    },
    isZeroProduct: (a: number) => {
      if (read(a) > 1) throw new Error('not a product');
      return answers.product;
    },
    invert: (r: number) => write(r, 1),
    invertAll: (first: number, stride: number, count: number) => {
      for (let i = 0; i < count; i++) write(first + i * stride, read(first + i * stride) && 1);
    },
  };
  return { weights, answers, field };
});

vi.mock('../kernel/assembly/field.ts', () => field);

const FIELD_BYTES = 36;
const POINT = 1_000_000;
const OTHER = 2_000_000;

type Functions = Record<string, (...addresses: number[]) => void>;

/** A file of the kernel; its types are not this compiler's. */
async function source(name: string): Promise<Functions> {
  vi.stubGlobal('memory', { data: () => putConstant(), fill: () => {} });
  return (await import(`../kernel/assembly/${name}.ts`)) as Functions;
}

/** Constants are digits from 0 to 2^29 - 1. */
function putConstant(): number {
  weights.set(0, 2);
  return 0;
}

/** A point in Jacobian coordinates as large as they come, and one in affine coordinates. */
function putPoints(): void {
  weights.clear();
  putConstant();
  for (const [at, weight] of [3, 2, 1].entries()) weights.set(POINT + at * FIELD_BYTES, weight);
  for (const at of [0, 1]) weights.set(OTHER + at * FIELD_BYTES, 1);
}

beforeEach(() => {
  putPoints();
  answers.product = 0;
  answers.sum = 0;
  return () => vi.unstubAllGlobals();
});

function expectPoint(): void {
  const [x, y, z] = [0, 1, 2].map((at) => weights.get(POINT + at * FIELD_BYTES));
  expect(x).toBeLessThanOrEqual(3);
  expect(y).toBeLessThanOrEqual(2);
  expect(z).toBe(1);
}

describe('digits never grow beyond what a product can bear, and points stay as they are promised, in', () => {
  test('doubling', async () => {
    const { double } = await source('point');
    double!(POINT);
    expectPoint();
  });

  test.each([
    [0, 0],
    [0, -1],
    [-1, 0],
    [-1, -1],
  ])('additions whose tests for zero answer %i and %i', async (product, sum) => {
    const { addPublic, addSecret } = await source('point');
    for (const add of [addPublic, addSecret]) {
      putPoints();
      answers.product = product;
      answers.sum = sum;
      add!(POINT, OTHER, OTHER + FIELD_BYTES, 0);
      expectPoint();
    }
  });

  test('tables of odd multiples, whose entries are affine', async () => {
    const { build } = await source('odd-table');
    build!(OTHER, 16);
    for (let at = 0; at < 16 * 3; at++) expect(weights.get(OTHER + at * FIELD_BYTES)).toBe(1);
  });

  test('normalizing', async () => {
    const { normalizeAll } = await source('affine');
    normalizeAll!(POINT, 1);
    for (const at of [0, 1, 2]) expect(weights.get(POINT + at * FIELD_BYTES)).toBe(1);
  });

  test('and this test would see a missing carry', () => {
    expect(() => field.square(POINT, POINT)).not.toThrow();
    weights.set(POINT, 4);
    expect(() => field.square(POINT, POINT)).toThrow('weights 4 and 4 multiplied');
  });
});

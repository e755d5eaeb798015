import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { carOf } from '../src/car.ts';
import { type BlockVault, contentOfCar, openBlockVault } from '../src/index.ts';
import { bytesOf, collect, digestOf, failureOf, inChunks, MIB, temporaryFolder } from './fixtures.ts';

const WHOLE = { scope: 'all', from: 0, to: null } as const;

describe('the content of a CAR', () => {
  const stack = new AsyncDisposableStack();
  let vault: BlockVault;
  const carred = async (bytes: Uint8Array) => {
    const { cid } = await vault.put(inChunks(bytes));
    return { cid, car: await collect(carOf(vault.blocks, cid, WHOLE)) };
  };

  beforeAll(async () => {
    vault = stack.use(await openBlockVault({ folder: stack.use(await temporaryFolder()).path }));
  });
  afterAll(() => stack.disposeAsync());

  it('is the file, however the CAR arrives', async () => {
    // Zeros repeat their leaf.
    for (const bytes of [
      new Uint8Array(),
      bytesOf('one', 10),
      bytesOf('three', 2 * MIB + 5),
      new Uint8Array(3 * MIB),
    ]) {
      const { cid, car } = await carred(bytes);
      for (const chunkBytes of [1000, 70_001, car.length]) {
        const content = await collect(contentOfCar(inChunks(car, chunkBytes), cid));
        expect(digestOf(content)).toBe(digestOf(bytes));
      }
    }
  });

  it('is refused, or put under another CID, when anything of the CAR was changed or cut off', async () => {
    const { cid, car } = await carred(bytesOf('damaged', MIB + 1000));
    const harmed = async (bytes: Uint8Array): Promise<boolean> => {
      try {
        return (await vault.put(contentOfCar(inChunks(bytes), cid))).cid !== cid;
      } catch {
        return true;
      }
    };
    const at = fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: car.length - 1 }));
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), async (place, mask) => {
        const flipped = Buffer.from(car);
        flipped[place] = (flipped[place] ?? 0) ^ mask;
        expect(await harmed(flipped)).toBe(true);
        expect(await harmed(car.subarray(0, place))).toBe(true);
      }),
      { numRuns: 40 },
    );
    const { cid: other } = await carred(bytesOf('other', 10));
    expect(await failureOf(collect(contentOfCar(inChunks(car), other)))).toEqual({ code: 'DAG_INVALID', cid: other });
  });
});

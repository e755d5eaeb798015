import { describe, expect, test } from 'vitest';
import type { Secp256k1 } from '../src/group.ts';
import { instantiateKernel, type Kernel, KernelGroup } from '../src/group-wasm.ts';
import { seeded } from './fixtures.ts';

const rng = seeded('kernel memory');
const kernel = instantiateKernel()!;
const group = new KernelGroup(kernel);
const secret = group.nonZero(rng(48));
const other = group.nonZero(rng(48));
const [point, prepared] = group.multiply([
  { scalar: group.nonZero(rng(48)), point: group.generator },
  { scalar: group.nonZero(rng(48)), point: group.u },
]);
group.prepare(prepared!);

type Act = (using: Secp256k1) => unknown;

const multiplyByAll: Act = (using) =>
  using.multiply([point!, prepared!, using.generator, using.u].map((base) => ({ scalar: secret, point: base })));

const CALLS: readonly (readonly [string, Act])[] = [
  ['multiply', multiplyByAll],
  ['combine', (using) => using.combine([point!, prepared!].map((base) => ({ scalar: secret, point: base })))],
  ['nonZero', (using) => using.nonZero(secret)],
  ['isNonZero', (using) => using.isNonZero(secret)],
  ['addScalars', (using) => using.addScalars(secret, other)],
  ['multiplyScalars', (using) => using.multiplyScalars(other, secret)],
  ['negate', (using) => using.negate(secret)],
  ['invert', (using) => using.invert(secret)],
  ['sign', (using) => using.sign(other, secret, other)],
  [
    'a multiplication that throws',
    (using) => {
      const call = () =>
        using.multiply([
          { scalar: secret, point: point! },
          { scalar: new Uint8Array(1), point: point! },
        ]);
      expect(call).toThrow(RangeError);
    },
  ],
  ['an addition that throws', (using) => expect(() => using.addScalars(secret, new Uint8Array(1))).toThrow(RangeError)],
];

/** Whether any eight bytes of the secret stand in memory, in either order. */
function holdsSecret({ memory }: Kernel): boolean {
  const bytes = Buffer.from(memory.buffer);
  const windows = [secret, secret.toReversed()].flatMap((form) =>
    Array.from({ length: 25 }, (_, at) => Buffer.from(form.subarray(at, at + 8))),
  );
  return windows.some((window) => bytes.includes(window));
}

function secretRegion({ memory, secretsStart, secretsEnd }: Kernel): Uint8Array {
  return new Uint8Array(memory.buffer, secretsStart.value, secretsEnd.value - secretsStart.value);
}

describe('no secret outlives', () => {
  test.each(CALLS)('%s', (_, act) => {
    act(group);
    expect(holdsSecret(kernel)).toBe(false);
    expect(secretRegion(kernel).every((byte) => byte === 0)).toBe(true);
  });

  test.each(CALLS)('%s, which without its wipe leaves something', (_, act) => {
    const inner = instantiateKernel()!;
    const leaking = new KernelGroup({ ...inner, wipe: () => {}, wipeScalars: () => {} });
    leaking.prepare(prepared!);
    inner.wipe(32);
    act(leaking);
    expect(secretRegion(inner).some((byte) => byte !== 0)).toBe(true);
    if (act === multiplyByAll) expect(holdsSecret(inner)).toBe(true);
  });
});

test('the regions of memory follow each other', () => {
  const ends = [kernel.constantsEnd.value, kernel.secretsStart.value, kernel.secretsEnd.value, kernel.memoryEnd.value];
  expect(ends).toEqual(ends.toSorted((a, b) => a - b));
  expect(kernel.memoryEnd.value).toBeLessThanOrEqual(kernel.memory.buffer.byteLength);
});

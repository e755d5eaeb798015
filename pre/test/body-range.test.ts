import { describe, expect, test } from 'vitest';
import type { ReadAt } from '../src/index.ts';
import { BODY_HEADER_BYTES, openBodyRange, sealBody } from '../src/index.ts';
import { asyncOutcome, collect, seeded } from './fixtures.ts';

const rng = seeded('body range');
const contentKey = rng(32);
const CHUNK = 4096;
const plaintext = rng(20 * CHUNK + 100);
const sealed = await collect(sealBody(contentKey, [plaintext], { chunkSize: CHUNK, rng }));
const whole = { start: 0, end: plaintext.length };

interface Pending {
  readonly signal: AbortSignal | undefined;
  readonly answer: () => void;
  readonly fail: (error: Error) => void;
}

/** A store that answers only when told to; the header it gives at once. */
function slowStore() {
  const pending: Pending[] = [];
  const read: ReadAt = (offset, length, options) => {
    const bytes = sealed.subarray(offset, offset + length);
    if (length === BODY_HEADER_BYTES) return Promise.resolve(bytes);
    return new Promise((resolve, reject) => {
      pending.push({ signal: options?.signal, answer: () => resolve(bytes), fail: reject });
    });
  };
  return { pending, read };
}

/** Lets everything run that waits for nothing but other promises. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('reading a range from a remote store', () => {
  test.each([1, 4, 7])('%d reads are under way at once, and the bytes come in order', async (readsAtOnce) => {
    const { pending, read } = slowStore();
    const opened = collect(openBodyRange(contentKey, read, sealed.length, whole, { readsAtOnce }));
    let answered = 0;
    while (answered < 21) {
      await settle();
      expect(pending.length).toBe(Math.min(readsAtOnce, 21 - answered));
      answered += pending.length;
      for (const { answer } of pending.splice(0).reverse()) answer();
    }
    expect(Buffer.from(plaintext).equals(await opened)).toBe(true);
  });

  test('nothing more is read while the reader does not ask', async () => {
    const { pending, read } = slowStore();
    const range = openBodyRange(contentKey, read, sealed.length, whole);
    const first = range.next();
    await settle();
    for (const { answer } of pending) answer();
    expect((await first).value).toEqual(plaintext.subarray(0, CHUNK));
    await settle();
    expect(pending.length).toBe(5);
    await range.return();
  });

  test('reads that nobody waits for any more are told so, and may fail unheard', async () => {
    const { pending, read } = slowStore();
    const range = openBodyRange(contentKey, read, sealed.length, whole);
    const first = range.next();
    await settle();
    for (const { answer } of pending.slice(0, 2)) answer();
    await first;
    const late = pending.slice(2);
    expect(late.map(({ signal }) => signal?.aborted)).toEqual([false, false, false]);
    await range.return();
    expect(late.map(({ signal }) => signal?.aborted)).toEqual([true, true, true]);
    for (const { fail } of late) fail(new Error('aborted'));
    await settle();
  });

  test('the failure of a read reaches the caller, and ends the others', async () => {
    const { pending, read } = slowStore();
    const failure = new Error('the network is gone');
    const opened = collect(openBodyRange(contentKey, read, sealed.length, whole));
    const refused = expect(opened).rejects.toBe(failure);
    await settle();
    pending[1]?.fail(failure);
    pending[0]?.answer();
    await refused;
    expect(pending[2]?.signal?.aborted).toBe(true);
  });

  test.each([0, -1, 1.5, 65, Number.NaN])('%d reads at once are refused', async (readsAtOnce) => {
    const { read } = slowStore();
    const act = () => collect(openBodyRange(contentKey, read, sealed.length, whole, { readsAtOnce }));
    expect(await asyncOutcome(act)).toBe('ARGUMENT_INVALID');
  });
});

test('ranges of one body open at the same time, and join to the whole', async () => {
  const read: ReadAt = async (offset, length) => sealed.subarray(offset, offset + length);
  const edges = [0, 1, CHUNK, 5 * CHUNK + 7, 20 * CHUNK, plaintext.length];
  const parts = edges.slice(1).map((end, at) => {
    const range = { start: edges[at] ?? 0, end };
    return collect(openBodyRange(contentKey, read, sealed.length, range));
  });
  expect(Buffer.from(plaintext).equals(Buffer.concat(await Promise.all(parts)))).toBe(true);
});

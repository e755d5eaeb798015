import { expect, it } from 'vitest';
import { Clock } from '../../src/network/clock.ts';

it('acts in order of the moments, never early', async () => {
  await using clock = await Clock.start();
  const start = performance.now();
  const acted: { asked: number; at: number }[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const moments = [12.3, 0.4, 7.7, 7.7, 3.1, 25, -5, 19.9];
  for (const after of moments)
    clock.at(start + after, () => {
      acted.push({ asked: after, at: performance.now() - start });
      if (acted.length === moments.length) resolve();
    });
  await promise;
  expect(acted.map(({ asked }) => asked)).toEqual(moments.toSorted((a, b) => a - b));
  for (const { asked, at } of acted) expect(at).toBeGreaterThanOrEqual(asked);
});

it('keeps the order of what is due at once', async () => {
  await using clock = await Clock.start();
  const due = performance.now() + 5;
  const acted: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const index of [0, 1, 2, 3]) clock.at(due, () => void acted.push(index));
  clock.at(due, resolve);
  await promise;
  expect(acted).toEqual([0, 1, 2, 3]);
});

it('does not act for what was cancelled, and goes on', async () => {
  await using clock = await Clock.start();
  const acted: string[] = [];
  const now = performance.now();
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.at(now + 2, () => void acted.push('cancelled'));
  clock.at(now + 10, resolve);
  clock.at(now + 5, () => void acted.push('kept'));
  cancel();
  await promise;
  expect(acted).toEqual(['kept']);
});

it('waits for what an act asks for', async () => {
  await using clock = await Clock.start();
  const start = performance.now();
  await new Promise<void>((resolve) => clock.at(start + 3, () => clock.at(start + 6, resolve)));
  expect(performance.now() - start).toBeGreaterThanOrEqual(6);
});

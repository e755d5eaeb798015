import { expect, test } from 'vitest';
import { spent } from '../src/relay-phases.ts';
import { summarise } from '../src/statistics.ts';

test('quantiles are of the nearest rank, whatever the order of the samples', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(summarise(hundred)).toEqual({ n: 100, p50: 50, p95: 95, p99: 99 });
  expect(summarise([3, 1, 2])).toEqual({ n: 3, p50: 2, p95: 3, p99: 3 });
  expect(summarise([7])).toEqual({ n: 1, p50: 7, p95: 7, p99: 7 });
});

test('a phase’s time is what its sum grew by, in milliseconds', () => {
  const before = new Map([['decide', 1.5]]);
  const after = new Map([
    ['decide', 1.75],
    ['verify', 0.25],
  ]);
  expect([spent(before, after, 'decide'), spent(before, after, 'verify'), spent(before, after, 'ask')]).toEqual([
    250, 250, 0,
  ]);
});

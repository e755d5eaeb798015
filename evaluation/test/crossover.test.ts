import { Random } from '@yilian/testbed/random';
import { expect, test } from 'vitest';
import type { Metric } from '../src/results.ts';
import { crossover, latencyIntervals, type Observations } from '../src/statistics/index.ts';
import { measured, torn } from './synthetic.ts';

const OURS = { intraMs: 58, crossMs: 175 };
const THEIRS = { intraMs: 110, crossMs: 120 };
/** dx / (dx + di). */
const TRUTH = 100 * (55 / (55 + 52));

const flat = (intra: number, cross: number, runs = 10): Observations => [
  Array.from({ length: runs }, () => ({ intra: Float64Array.of(intra), cross: Float64Array.of(cross) })),
];

test('intervals of the crossover cover the true one 95 times in 100; intervals of single requests far less often', () => {
  const trials = 240;
  const random = new Random(1954);
  const resamples = 200;
  // What a run has in common is the larger part, as it is of long runs.
  const within = { requests: 20, runEffect: 0.06, sigma: 0.12 };
  const covered = { byRun: 0, byRequest: 0, mean: 0 };
  const covers = (interval: { low: number; high: number } | undefined, truth: number) =>
    interval !== undefined && interval.low <= truth && truth <= interval.high;
  for (let trial = 0; trial < trials; trial++) {
    const [ours, theirs] = [measured(random, { ...OURS, ...within }), measured(random, { ...THEIRS, ...within })];
    const byRun = crossover(ours, theirs, 'mean', { random, resamples });
    const byRequest = crossover(torn(ours), torn(theirs), 'mean', { random, resamples: 60 });
    const latency = latencyIntervals(ours, 50, { random, resamples });
    if (covers(byRun.crossover, TRUTH)) covered.byRun++;
    if (covers(byRequest.crossover, TRUTH)) covered.byRequest++;
    if (covers(latency.intra?.mean, OURS.intraMs)) covered.mean++;
  }
  const share = (count: number) => count / trials;
  // Three standard errors of a share of 0.95.
  const tolerance = 3 * Math.sqrt((0.95 * 0.05) / trials);
  expect(Math.abs(share(covered.byRun) - 0.95)).toBeLessThan(tolerance);
  expect(Math.abs(share(covered.mean) - 0.95)).toBeLessThan(tolerance);
  expect(share(covered.byRequest)).toBeLessThan(0.95 - 2 * tolerance);
}, 60_000);

test.each([
  ['always', { intraMs: 58, crossMs: 100 }, { intraMs: 110, crossMs: 140 }],
  ['above', OURS, THEIRS],
  ['never', { intraMs: 110, crossMs: 140 }, { intraMs: 58, crossMs: 100 }],
  ['below', THEIRS, OURS],
] as const)('finds that ours is %s ahead', (verdict, ours, theirs) => {
  const random = new Random(7);
  const [own, other] = [measured(random, ours), measured(random, theirs)];
  for (const metric of ['mean', 'median', 'p99', 'throughput'] satisfies Metric[]) {
    const found = crossover(own, other, metric, { random, resamples: 200 });
    expect(found.verdict).toBe(verdict);
    expect(found.verdicts[verdict]).toBeGreaterThan(0.95);
    expect(found.crossover === undefined).toBe(verdict === 'always' || verdict === 'never');
  }
});

test('the crossover of the means is where the two lines cross, its interval around it', () => {
  const random = new Random(3);
  const found = crossover(measured(random, OURS), measured(random, THEIRS), 'mean', { random });
  expect(Math.abs(found.crossover!.value - TRUTH)).toBeLessThan(6);
  expect(found.crossover!.low).toBeLessThan(found.crossover!.value);
  expect(found.crossover!.high).toBeGreaterThan(found.crossover!.value);
  const exact = crossover(flat(58, 175), flat(110, 120), 'mean', { random, resamples: 20 });
  for (const end of Object.values(exact.crossover!)) expect(end).toBeCloseTo(TRUTH, 5);
});

test('where an intra query hardly gains anything there is no interval, however clear the penalty', () => {
  const random = new Random(11);
  const ours = measured(random, { intraMs: 97, crossMs: 175 });
  const found = crossover(ours, measured(random, { intraMs: 100, crossMs: 120 }), 'mean', { random, resamples: 400 });
  expect(found.verdict).toBe('above');
  expect(found.verdicts.above + found.verdicts.never).toBe(1);
  expect(found.verdicts.above).toBeLessThan(0.95);
  expect(found.crossover).toBeUndefined();
});

test('what is measured alike is no lead', () => {
  const random = new Random(1);
  const both = flat(58, 100);
  expect(crossover(both, both, 'median', { random, resamples: 20 })).toMatchObject({
    verdict: 'never',
    verdicts: { always: 0, above: 0, never: 1, below: 0 },
  });
});

test('a kind that was not measured is an error, not a verdict', () => {
  const random = new Random(1);
  const intraOnly: Observations = [[{ intra: Float64Array.of(1, 2), cross: new Float64Array() }]];
  expect(() => crossover(intraOnly, flat(1, 2), 'mean', { random })).toThrow(RangeError);
});

test('throughput is the processors’: schemes cross where the harmonic mixtures of their capacities do', () => {
  const random = new Random(5);
  const found = crossover(flat(4, 12), flat(8, 9), 'throughput', { random, resamples: 20 });
  const perSecond = (intra: number, cross: number, share: number) =>
    1 / (share / (1000 / intra) + (1 - share) / (1000 / cross));
  const at = found.crossover!.value / 100;
  expect(found.verdict).toBe('above');
  expect(perSecond(4, 12, at)).toBeCloseTo(perSecond(8, 9, at), 6);
});

test('the median crosses elsewhere than the mean, where the medians of the mixtures meet', () => {
  const random = new Random(9);
  const options = { runs: 10, requests: 300, runEffect: 0, sigma: 0.8 };
  const [ours, theirs] = [measured(random, { ...OURS, ...options }), measured(random, { ...THEIRS, ...options })];
  const { crossover: mean } = crossover(ours, theirs, 'mean', { random, resamples: 100 });
  const { crossover: median } = crossover(ours, theirs, 'median', { random, resamples: 100 });
  const at = median!.value;
  const medianOf = (observations: Observations) =>
    latencyIntervals(observations, at, { random, resamples: 1 }).all!.median.value;
  expect(Math.abs(medianOf(ours) - medianOf(theirs))).toBeLessThan(1);
  expect(Math.abs(at - mean!.value)).toBeGreaterThan(1);
});

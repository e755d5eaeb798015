import { Random } from '@yilian/testbed/random';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Sample } from '../src/results.ts';
import {
  deviationPercent,
  fewSamples,
  interleave,
  latencies,
  latencyIntervals,
  type Observations,
  percentiles,
  quantile,
} from '../src/statistics/index.ts';
import { tails } from '../src/statistics/tails.ts';
import { measured } from './synthetic.ts';

const values = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 60 });

describe('quantiles', () => {
  test('are the least sample that so many do not exceed', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 99 }), (samples, percent) => {
        const found = quantile(samples, percent / 100);
        const share = (holds: (value: number) => boolean) => samples.filter(holds).length / samples.length;
        expect(share((value) => value <= found)).toBeGreaterThanOrEqual(percent / 100 - 1e-9);
        expect(share((value) => value < found)).toBeLessThan(percent / 100 + 1e-9);
      }),
    );
  });

  test('at every percentile rise from the least to the greatest', () => {
    fc.assert(
      fc.property(values, (samples) => {
        const found = percentiles(samples);
        expect(found).toHaveLength(101);
        expect(found).toEqual(found.toSorted((a, b) => a - b));
        expect([found[0], found[100]]).toEqual([Math.min(...samples), Math.max(...samples)]);
      }),
    );
    expect(percentiles(Array.from({ length: 100 }, (_, i) => i + 1)).slice(1)).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
  });
});

describe('what was observed', () => {
  const sample = (over: Partial<Sample>): Sample => ({
    cell: 'a',
    run: 0,
    kind: 'intra',
    scheduledAt: 0,
    phases: {},
    sizeBytes: 1,
    ...over,
  });

  test('is kept by cell, run and kind, and whose time was up counts with all of it', () => {
    const observations = latencies(
      [
        sample({ latencyMs: 5 }),
        sample({ run: 1, latencyMs: 6 }),
        sample({ kind: 'cross' }),
        sample({ cell: 'b', latencyMs: 7 }),
        sample({ latencyMs: 8 }),
      ],
      1000,
    );
    const plain = observations.map((runs) => runs.map(({ intra, cross }) => [[...intra], [...cross]]));
    expect(plain).toEqual([
      [
        [[5, 8], [1000]],
        [[6], []],
      ],
      [[[7], []]],
    ]);
  });
});

describe('intervals of latencies', () => {
  const runs = fc.array(fc.record({ intra: values, cross: values }), { minLength: 1, maxLength: 5 });

  test('have the measured figure in each kind, and mixtures at their share', () => {
    fc.assert(
      fc.property(runs, fc.integer({ min: 0, max: 100 }), (measuredRuns, percent) => {
        const observations: Observations = [
          measuredRuns.map(({ intra, cross }) => ({
            intra: Float64Array.from(intra),
            cross: Float64Array.from(cross),
          })),
        ];
        const found = latencyIntervals(observations, percent, { random: new Random(1), resamples: 5 });
        const pooled = (kind: 'intra' | 'cross') => measuredRuns.flatMap((run) => run[kind]);
        const mean = (of: number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
        for (const kind of ['intra', 'cross'] as const) {
          expect(found[kind]!.mean.value).toBeCloseTo(mean(pooled(kind)));
          for (const [name, q] of [
            ['median', 0.5],
            ['p90', 0.9],
            ['p99', 0.99],
          ] as const)
            expect(found[kind]![name].value).toBe(quantile(pooled(kind), q));
        }
        const [intra, cross] = [pooled('intra'), pooled('cross')];
        const share = percent / 100;
        expect(found.all!.mean.value).toBeCloseTo(share * mean(intra) + (1 - share) * mean(cross));
        // Every value as often as would make the kinds weigh what they should.
        const weighed = [
          ...intra.flatMap((value) => Array<number>(percent * cross.length).fill(value)),
          ...cross.flatMap((value) => Array<number>((100 - percent) * intra.length).fill(value)),
        ];
        expect(found.all!.median.value).toBe(quantile(weighed, 0.5));
      }),
      { numRuns: 40 },
    );
  });

  test('say nothing of a kind that was not measured, nor of a mixture with it', () => {
    const intraOnly: Observations = [[{ intra: Float64Array.of(1, 2, 3), cross: new Float64Array() }]];
    const options = { random: new Random(1), resamples: 5 };
    expect(Object.keys(latencyIntervals(intraOnly, 50, options))).toEqual(['intra']);
    expect(Object.keys(latencyIntervals(intraOnly, 100, options))).toEqual(['intra', 'all']);
  });

  test('are of both kinds even if few runs had queries of one', () => {
    const sparse: Observations = [
      [
        { intra: Float64Array.of(1, 2), cross: new Float64Array() },
        { intra: new Float64Array(), cross: Float64Array.of(3) },
      ],
    ];
    const { intra, cross, all } = latencyIntervals(sparse, 50, { random: new Random(1), resamples: 50 });
    const ends = [intra, cross, all].flatMap((kind) => [kind!.mean.low, kind!.mean.high]);
    expect(ends.every((end) => end >= 1 && end <= 3)).toBe(true);
  });

  test('hold their figure and narrow as runs are added', () => {
    const width = (runCount: number) => {
      const random = new Random(21);
      const observations = measured(random, { intraMs: 50, crossMs: 100, runs: runCount });
      const { low, value, high } = latencyIntervals(observations, 50, { random, resamples: 400 }).intra!.mean;
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThan(value);
      return high - low;
    };
    expect(width(60)).toBeLessThan(width(10) / 1.8);
  });

  // From tables of Student's t and of the normal distribution.
  test.each([
    [5, 0.00095],
    [10, 0.00855],
    [20, 0.01588],
    [40, 0.02026],
    [1e9, 0.025],
  ])('of %i runs leave out %d of the resamples at each end', (runCount, share) => {
    expect(Math.abs(tails(runCount) - share)).toBeLessThan(5e-5);
  });

  test('are the same for the same seed', () => {
    const found = () => {
      const random = new Random(4);
      return latencyIntervals(measured(random, { intraMs: 50, crossMs: 100 }), 30, { random, resamples: 50 });
    };
    expect(found()).toEqual(found());
  });
});

test('every block of the order has every cell once, and blocks differ', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 8 }), fc.nat(), (count, runs, seed) => {
      const cells = Array.from({ length: count }, (_, i) => i);
      const order = interleave(cells, runs, new Random(seed));
      expect(order).toHaveLength(count * runs);
      for (let run = 0; run < runs; run++) {
        const block = order.slice(run * count, (run + 1) * count);
        expect(block.every((turn) => turn.run === run)).toBe(true);
        expect(block.map(({ cell }) => cell).toSorted((a, b) => a - b)).toEqual(cells);
      }
    }),
  );
  const firsts = interleave(['a', 'b'], 200, new Random(1)).filter((_, turn) => turn % 2 === 0);
  const share = firsts.filter(({ cell }) => cell === 'a').length / 200;
  expect(Math.abs(share - 0.5)).toBeLessThan(0.15);
});

test('a p99 of fewer than ten thousand requests is marked', () => {
  expect(fewSamples(9_999)).toMatchObject({ weight: 'flag', code: 'FEW_SAMPLES' });
  expect(fewSamples(10_000)).toBeUndefined();
});

test('a mixture deviates by what it takes more than the line between its parts', () => {
  const alone = { intraMs: 50, crossMs: 150 };
  expect(deviationPercent(100, alone, 50)).toBe(0);
  expect(deviationPercent(110, alone, 50)).toBeCloseTo(10);
  expect(deviationPercent(66.5, alone, 80)).toBeCloseTo(-5);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIXES, publications, schedule, sizesOf } from '../src/workload.ts';

const load = { perSecond: 4, temperature: 'cold' } as const;

describe('the workload', () => {
  it('is the same under the same seed and another under another', () => {
    const of = (seed: string) => schedule(load, 50, { patients: 32, requests: 50, seed });
    expect(of('a')).toEqual(of('a'));
    expect(of('a')).not.toEqual(of('b'));
  });

  it('arrives as a Poisson process of its rate', () => {
    const arrivals = schedule(load, 50, { patients: 32, requests: 20_000, seed: 'rate' });
    const gaps = arrivals.map(({ at }, index) => at - (arrivals[index - 1]?.at ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(mean).toBeCloseTo(250, -1);
    // Of an exponential distribution both are the same.
    expect(deviation / mean).toBeCloseTo(1, 1);
  });

  it('stays in its region as often as it is told', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), fc.string(), (percent, seed) => {
        const arrivals = schedule(load, percent, { patients: 8, requests: 2000, seed });
        const intra = arrivals.filter(({ question }) => question.kind === 'intra').length / 20;
        expect(Math.abs(intra - percent)).toBeLessThan(6);
        if (percent % 100 === 0) expect(intra).toBe(percent);
      }),
      { numRuns: 30 },
    );
  });

  it('asks about few patients most, who differ from run to run', () => {
    const most = (seed: string) => {
      const counts = new Map<number, number>();
      for (const { question } of schedule(load, 50, { patients: 32, requests: 4000, seed }))
        counts.set(question.patient, (counts.get(question.patient) ?? 0) + 1);
      return [...counts].toSorted(([, a], [, b]) => b - a);
    };
    expect((most('one')[0]?.[1] ?? 0) / 4000).toBeGreaterThan(0.2);
    const firsts = Array.from({ length: 20 }, (_, run) => most(`${run}`)[0]?.[0]);
    expect(new Set(firsts).size).toBeGreaterThan(5);
  });

  it.each(Object.entries(MIXES))(
    'has sizes of %s within its classes, the same for a patient every time',
    (mix, classes) => {
      const sizeOf = sizesOf(mix as keyof typeof MIXES, 'sizes');
      const sizes = Array.from({ length: 500 }, (_, patient) => sizeOf(patient));
      expect(sizes).toEqual(Array.from({ length: 500 }, (_, patient) => sizeOf(patient)));
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(Math.min(...classes.map(({ least }) => least)));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.max(...classes.map(({ most }) => most)));
      expect(classes.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    },
  );

  it('publishes meanwhile at its rate and not at all without one', () => {
    expect(publications(0, 10_000, 'w')).toEqual([]);
    const times = publications(5, 1_000_000, 'w');
    expect(times.length / 1000).toBeCloseTo(5, 0);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });
});

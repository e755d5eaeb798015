import { describe, expect, test } from 'vitest';
import { DOCUMENTED_COSTS } from '../../src/simulator/costs.ts';
import { SCHEMES, type SchemeId } from '../../src/simulator/schemes.ts';
import { type Run, run, simulate } from '../../src/simulator/simulate.ts';
import { mean } from '../../src/statistics/index.ts';
import { only, scenario } from './fixture.ts';

/** The analytic model’s terms, milliseconds: C = 6 + cut + 10, O = 12, read 4, re-encryption and opening 8. */
const TERMS = only({
  questionMs: 4,
  envelopeMs: 6,
  endorseMs: 6,
  orderMs: 5,
  validateMs: 5,
  reencryptMs: 4,
  openMs: 4,
});
const CUT_MS = 30;
const COMMIT_MS = 6 + CUT_MS + 10;
const TRANSFER_MS = 8;

describe('at low load, means are those of the analytic model within 2 %', () => {
  const distances = [
    { regions: 4, rttMs: 10 },
    { regions: 4, rttMs: 30 },
    { regions: 8, rttMs: 60 },
  ];

  test.each(distances)('federation, $regions regions, $rttMs ms', ({ regions, rttMs }) => {
    const { latencies } = idle('federation', regions, rttMs);
    expectWithin(mean(latencies.intra), 4 + COMMIT_MS + 8, 0.02);
    expectWithin(mean(latencies.cross), 12 + 4 + rttMs + COMMIT_MS + 8, 0.02);
  });

  test.each(distances)('national chain, $regions regions, $rttMs ms', ({ regions, rttMs }) => {
    for (const [scheme, remote] of [
      ['national', 0],
      ['national-remote', 1],
    ] as const) {
      const { latencies } = idle(scheme, regions, rttMs);
      const commitMs = COMMIT_MS + (1 - 1 / regions + 1 + remote) * rttMs;
      expectWithin(mean(latencies.intra), 4 + commitMs + 8, 0.02);
      expectWithin(mean(latencies.cross), 4 + Math.max(commitMs, rttMs + TRANSFER_MS) + 8, 0.02);
    }
  });

  test('thin clients pay two round trips to the capital, where they are not in it', () => {
    const { latencies } = idle('national-thin', 4, 30);
    // Their question and word of its commit, meanwhile the shares, then the answer with the sealed body.
    expectWithin(mean(latencies.intra), 4 + COMMIT_MS + 4 / 4 + (1 - 1 / 4) * (60 + TRANSFER_MS) + 4, 0.02);
  });

  test('a foreign channel takes two round trips, a central index one more than the federation outside the capital', () => {
    expectWithin(mean(idle('multi-channel', 4, 30).latencies.cross), 4 + COMMIT_MS + 60 + 8, 0.02);
    expectWithin(
      mean(idle('central-index', 4, 30).latencies.cross),
      12 + 4 + 30 + COMMIT_MS + 8 + (1 - 1 / 4) * 30,
      0.02,
    );
  });
});

describe('near saturation', () => {
  test.each([
    { regions: 4, intraPercent: 0 },
    { regions: 4, intraPercent: 90 },
    { regions: 8, intraPercent: 50 },
  ])(
    '$regions regions at $intraPercent % intra answer R/(2 − p) times as many questions as one chain, within 5 %',
    ({ regions, intraPercent }) => {
      // Validation alone costs something, so that a chain takes 200 transactions a second.
      const costs = only({ validateMs: 5 });
      const gain = regions / (2 - intraPercent / 100);
      const most = (scheme: SchemeId, perSecond: number): number => {
        const load = { perSecond: 1.3 * perSecond, warmUpMs: 5000, durationMs: 20_000 };
        return run(scenario({ scheme, regions, intraPercent, load }), costs, 5).goodput;
      };
      const national = most('national', 200);
      expectWithin(national, 200, 0.05);
      expectWithin(most('federation', 200 * gain) / national, gain, 0.05);
    },
  );
});

describe('every run', () => {
  test.each(SCHEMES)('of %s answers each question once, and no station loses anything', (scheme) => {
    const busy = scenario({
      scheme,
      regions: 5,
      intraPercent: 70,
      load: { perSecond: 40, writesPerSecond: 20, newPatients: 0.5, durationMs: 10_000 },
    });
    const result = run({ ...busy, serviceTimes: 'exponential', tellsWhen: 'accepted' }, DOCUMENTED_COSTS, 11);
    const { asked, answered, latencies } = result;
    expect(asked).toBeGreaterThan(300);
    expect(answered).toBe(asked);
    expect(latencies.intra.length + latencies.cross.length).toBe(asked);
    expectLittle(result);
  });

  test('keeps Little’s law on one machine that does everything, above its capacity', () => {
    const everything = scenario({ scheme: 'federation', regions: 3, intraPercent: 50, load: { perSecond: 20 } });
    const result = run({ ...everything, placement: { cores: 2, shared: true, restShare: 0 } }, DOCUMENTED_COSTS, 1);
    expect(result.machines.utilisation).toBeGreaterThan(1);
    expect(result.stations).toHaveLength(1);
    expect(result.answered).toBe(result.asked);
    expectLittle(result);
  });

  test('is the same by its seed, and another by another', () => {
    const noisy = { ...scenario({ scheme: 'federation', regions: 4, intraPercent: 50, load: { perSecond: 30 } }) };
    const once = (seed: number) => simulate({ ...noisy, serviceTimes: 'exponential' }, DOCUMENTED_COSTS, seed);
    expect(once(3)).toEqual(once(3));
    expect(once(3).meanMs).not.toBe(once(4).meanMs);
  });

  test('asks the same questions of every scheme', () => {
    const load = { perSecond: 30 };
    const asked = SCHEMES.map((scheme) => {
      const { latencies } = run(scenario({ scheme, regions: 4, intraPercent: 50, load }), DOCUMENTED_COSTS, 3);
      return [latencies.intra.length, latencies.cross.length];
    });
    expect(new Set(asked.map(String)).size).toBe(1);
  });
});

test('a request that waits for its own orderer leaves later by endorsement and ordering', () => {
  const base = scenario({
    scheme: 'federation',
    regions: 4,
    intraPercent: 0,
    load: { perSecond: 0.5, durationMs: 4e6 },
  });
  const accepted = mean(run({ ...base, tellsWhen: 'accepted' }, TERMS, 9).latencies.cross);
  expect(accepted - mean(run(base, TERMS, 9).latencies.cross)).toBeCloseTo(6 + 5, 1);
});

test.each([
  { intraPercent: 0, others: 4 },
  { intraPercent: 100, others: 5 },
])('whoever asks everybody has $others more regions decide, at $intraPercent % intra', ({ intraPercent, others }) => {
  const base = { regions: 6, intraPercent, load: { perSecond: 10 } };
  const worked = (scheme: SchemeId, role: string): number => {
    const { stations, asked } = run(scenario({ scheme, ...base }), TERMS, 9);
    const some = stations.filter(({ name }) => name.startsWith(role));
    return some.reduce((sum, { tally }) => sum + tally.workMs, 0) / asked;
  };
  const more = (role: string): number => worked('broadcast', role) - worked('federation', role);
  expectWithin(more('relay'), others * (6 + 6), 0.02);
  expectWithin(more('proxy'), others * 3 * 4, 0.02);
  // Two organisations endorse, three peers validate each decision; outcomes are mirrored in batches besides.
  expect(more('peer')).toBeGreaterThan(others * (2 * 6 + 3 * 5));
});

test('shares made at home cost half a round trip more', () => {
  const base = scenario({ scheme: 'national', regions: 4, intraPercent: 0, load: { perSecond: 0.5, durationMs: 4e6 } });
  const home = mean(run({ ...base, proxiesAt: 'home' }, TERMS, 9).latencies.cross);
  // A home in the capital has the block sooner, an asking region there later: on the mean nothing.
  expect(home - mean(run(base, TERMS, 9).latencies.cross)).toBeCloseTo(15, 0);
});

function idle(scheme: SchemeId, regions: number, rttMs: number): Run {
  const load = { perSecond: 0.5, durationMs: 8e6 };
  return run(scenario({ scheme, regions, rttMs, cutMs: CUT_MS, intraPercent: 50, load }), TERMS, 1);
}

function expectWithin(actual: number, expected: number, tolerance: number): void {
  expect(Math.abs(actual / expected - 1), `${actual} beside ${expected}`).toBeLessThan(tolerance);
}

function expectLittle({ stations }: Run): void {
  for (const { name, tally } of stations) {
    const { arrived, served, presentMs, sojournMs, workMs, waitedMs } = tally;
    expect(served, name).toBe(arrived);
    expect(presentMs, name).toBeCloseTo(sojournMs, 3);
    expect(workMs + waitedMs, name).toBeCloseTo(sojournMs, 3);
  }
}

import { describe, expect, test } from 'vitest';
import type { Cell, Conditions, Interval } from '../../src/results.ts';
import { calibrate, imitate } from '../../src/simulator/calibrate.ts';
import { COST_SOURCES, type Costs, DOCUMENTED_COSTS, PROCESSOR_COSTS } from '../../src/simulator/costs.ts';
import { mean, run } from '../../src/simulator/simulate.ts';
import { validate } from '../../src/simulator/validate.ts';

/** Of a machine four times as fast, whose envelopes take 3 ms, and where a question waits for 5 ms, and 9 ms more across. */
const TRUE_COSTS: Costs = {
  ...DOCUMENTED_COSTS,
  ...Object.fromEntries(PROCESSOR_COSTS.map((name) => [name, DOCUMENTED_COSTS[name] / 4])),
  envelopeMs: 3,
  waitingMs: 5,
  crossWaitingMs: 9,
};
/** Cells of one kind: in a mixture chance decides how many were of either, which blurs what an envelope costs. */
const MEASURED = [0, 100].flatMap((intraPercent) => [cell('federation', intraPercent), cell('national', intraPercent)]);

describe('calibration', () => {
  const { costs, origins } = calibrate(MEASURED);

  test('recovers the costs that cells were made of', () => {
    const { envelopeMs, waitingMs, crossWaitingMs } = costs;
    for (const name of PROCESSOR_COSTS.filter((cost) => cost !== 'envelopeMs'))
      expect(costs[name] / TRUE_COSTS[name], name).toBeCloseTo(1, 2);
    expect(Math.abs(envelopeMs - TRUE_COSTS.envelopeMs)).toBeLessThan(0.6);
    expect(Math.abs(waitingMs - TRUE_COSTS.waitingMs)).toBeLessThan(0.5);
    expect(Math.abs(crossWaitingMs - TRUE_COSTS.crossWaitingMs)).toBeLessThan(1);
  });

  test('says what it found out, what it scaled and what it left', () => {
    expect(origins).toMatchObject({
      envelopeMs: 'fitted',
      waitingMs: 'fitted',
      crossWaitingMs: 'fitted',
      endorseMs: 'scaled',
      decisionBytes: 'documented',
    });
  });

  test('of cells that differ in nothing scales all alike', () => {
    const alike = calibrate([cell('federation', 0)]);
    expect(alike.origins).toMatchObject({ envelopeMs: 'scaled', crossWaitingMs: 'documented' });
    expect(alike.costs.envelopeMs / alike.costs.endorseMs).toBeCloseTo(
      DOCUMENTED_COSTS.envelopeMs / DOCUMENTED_COSTS.endorseMs,
      9,
    );
  });

  test('of no cells leaves everything as documented', () => {
    const { costs: same, origins: none } = calibrate([cell('floor', 50)]);
    expect(same).toEqual(DOCUMENTED_COSTS);
    expect(new Set(Object.values(none))).toEqual(new Set(['documented']));
  });
});

describe('validation', () => {
  test('states the error of every cell that counts', () => {
    const spoilt = { ...cell('national', 50), marks: [{ weight: 'void', code: 'CPU_BOUND', detail: '' }] } as const;
    const others = [cell('federation', 30), cell('national-remote', 30), cell('floor', 30), spoilt];
    const validations = validate(calibrate(MEASURED).costs, others);
    expect(validations.map(({ cell: id }) => id)).toEqual(['federation 30', 'national-remote 30']);
    for (const { errorPercent, measuredMs, simulatedMs } of validations) {
      expect(errorPercent).toBeCloseTo((100 * (simulatedMs - measuredMs)) / measuredMs, 9);
      expect(Math.abs(errorPercent)).toBeLessThan(3);
    }
  });

  test('of costs that are wrong shows it', () => {
    const [validation] = validate(DOCUMENTED_COSTS, [cell('federation', 30)]);
    expect(validation?.errorPercent).toBeGreaterThan(50);
  });
});

test('every cost has a source', () => {
  expect(Object.keys(COST_SOURCES)).toEqual(Object.keys(DOCUMENTED_COSTS));
  for (const source of Object.values(COST_SOURCES)) expect(source).not.toBe('');
});

/** What a measurement would have said, had the machine had the true costs. */
function cell(scheme: string, intraPercent: number): Cell {
  const conditions: Conditions = {
    scheme,
    regions: 4,
    rttMs: 30,
    cutMs: 50,
    intraPercent,
    apart: false,
    temperature: 'cold',
    perSecond: 2,
    writesPerSecond: 0,
    records: 1000,
  };
  const empty: Cell = {
    id: `${scheme} ${intraPercent}`,
    conditions,
    runs: 1,
    samples: 0,
    timeouts: 0,
    marks: [],
    latency: {},
    phases: {},
    percentiles: {},
    goodput: 2,
    perRequest: { cpuMs: 0, bytesBetween: 0, bytesWithin: 0, chainBytes: 0 },
    cpuShare: 0.1,
  };
  const [imitated] = imitate([empty]);
  if (imitated === undefined) return empty;
  const { latencies, stations, asked } = run(imitated.scenario, TRUE_COSTS, 77);
  const all = [...latencies.intra, ...latencies.cross];
  const kinds = { intra: latencies.intra, cross: latencies.cross, all };
  return {
    ...empty,
    latency: Object.fromEntries(
      Object.entries(kinds)
        .filter(([, samples]) => samples.length > 0)
        .map(([kind, samples]) => [
          kind,
          { mean: point(mean(samples)), median: point(0), p90: point(0), p99: point(0) },
        ]),
    ),
    perRequest: {
      ...empty.perRequest,
      cpuMs: stations.reduce((sum, { tally }) => sum + tally.workMs, 0) / asked,
    },
  };
}

function point(value: number): Interval {
  return { value, low: value, high: value };
}

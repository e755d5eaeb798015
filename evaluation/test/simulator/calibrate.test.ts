import { describe, expect, test } from 'vitest';
import type { Cell, Conditions, Interval, Kind } from '../../src/results.ts';
import { calibrate, imitate } from '../../src/simulator/calibrate.ts';
import { COST_SOURCES, type Costs, DOCUMENTED_COSTS, PROCESSOR_COSTS } from '../../src/simulator/costs.ts';
import { asMeasured } from '../../src/simulator/scenario.ts';
import { run } from '../../src/simulator/simulate.ts';
import { validate } from '../../src/simulator/validate.ts';
import { mean } from '../../src/statistics/index.ts';
import { only } from './fixture.ts';

/** Of a machine four times as fast, whose envelopes take 3 ms, and where a question waits for 5 ms, and one to another region for 9 more. */
const TRUE_COSTS: Costs = {
  ...DOCUMENTED_COSTS,
  ...Object.fromEntries(PROCESSOR_COSTS.map((name) => [name, DOCUMENTED_COSTS[name] / 4])),
  envelopeMs: 3,
  waitingMs: 5,
  legWaitingMs: 9,
};
const MACHINE = { coldShare: 0.6, cores: 1 };
const IDLE_SHARE = 0.1;
const KINDS = ['intra', 'cross'] as const;
const MEASURED = {
  cell: cell('federation'),
  machine: MACHINE,
  perQuestion: { intra: workMs(100), cross: workMs(0) },
};

describe('calibration', () => {
  const { costs, origins, machine, cells } = calibrate(MEASURED);

  test('recovers the costs that a cell was made of', () => {
    const { envelopeMs, waitingMs, legWaitingMs } = costs;
    for (const name of PROCESSOR_COSTS.filter((cost) => cost !== 'envelopeMs'))
      expect(costs[name] / TRUE_COSTS[name], name).toBeCloseTo(1, 2);
    expect(Math.abs(envelopeMs - TRUE_COSTS.envelopeMs)).toBeLessThan(0.3);
    expect(Math.abs(waitingMs - TRUE_COSTS.waitingMs)).toBeLessThan(0.5);
    expect(Math.abs(legWaitingMs - TRUE_COSTS.legWaitingMs)).toBeLessThan(1);
    expect(machine).toEqual(MACHINE);
  });

  test('says what it found out, what it scaled and what it left, and from which cell', () => {
    expect(origins).toMatchObject({
      envelopeMs: 'fitted',
      waitingMs: 'fitted',
      legWaitingMs: 'fitted',
      endorseMs: 'scaled',
      decisionBytes: 'documented',
    });
    expect(cells).toEqual(['federation 50']);
  });

  test('scales all alike where questions across regions took less than two decisions without an envelope', () => {
    const { intra } = MEASURED.perQuestion;
    const alike = calibrate({ ...MEASURED, perQuestion: { intra, cross: intra } });
    expect(alike.origins.envelopeMs).toBe('scaled');
    expect(alike.costs.envelopeMs / alike.costs.endorseMs).toBeCloseTo(
      DOCUMENTED_COSTS.envelopeMs / DOCUMENTED_COSTS.endorseMs,
      9,
    );
  });

  test('of nothing, or of a scheme that it does not have, leaves everything as documented', () => {
    for (const measured of [undefined, { ...MEASURED, cell: cell('floor') }]) {
      const { costs: same, origins: none, cells: by } = calibrate(measured);
      expect(same).toEqual(DOCUMENTED_COSTS);
      expect(new Set(Object.values(none))).toEqual(new Set(['documented']));
      expect(by).toEqual([]);
    }
  });
});

describe('validation', () => {
  test('states the error of every cell that counts, each kind by itself where they were apart', () => {
    const spoilt = { ...cell('national'), marks: [{ weight: 'void', code: 'CPU_BOUND', detail: '' }] } as const;
    const others = [MEASURED.cell, cell('national-remote'), cell('multi-channel', 30), cell('floor'), spoilt];
    const validations = validate(calibrate(MEASURED), others);
    expect(validations.map(({ cell: id, kind, calibrated }) => [id, kind, calibrated])).toEqual([
      ['federation 50', 'intra', true],
      ['federation 50', 'cross', true],
      ['national-remote 50', 'intra', false],
      ['national-remote 50', 'cross', false],
      ['multi-channel 30', 'all', false],
    ]);
    for (const { errorPercent, measuredMs, simulatedMs } of validations) {
      expect(errorPercent).toBeCloseTo((100 * (simulatedMs - measuredMs)) / measuredMs, 9);
      expect(Math.abs(errorPercent)).toBeLessThan(3);
    }
  });

  test('of costs that are wrong shows it', () => {
    const [validation] = validate({ costs: DOCUMENTED_COSTS, machine: MACHINE, cells: [] }, [cell('federation')]);
    expect(validation?.errorPercent).toBeGreaterThan(50);
  });
});

describe('the machine that measures', () => {
  const costs = only({
    questionMs: 4,
    endorseMs: 6,
    orderMs: 1,
    orderBlockMs: 2,
    validateMs: 3,
    validateBlockMs: 2,
    reencryptMs: 5,
    openMs: 2,
    waitingMs: 7,
  });
  const conditions = { ...conditionsOf('multi-channel', 100, false), scheme: 'multi-channel' } as const;

  test('without load takes the sum of all work that one thread does one after the other, and of all waits', () => {
    const idle = asMeasured({ ...conditions, perSecond: 0.01 }, { coldShare: 0, cores: 1, idleShare: 0 });
    // Two organisations endorse; two proxies of three suffice, and the third is done before the record is opened.
    const expected = 7 + 4 + 2 * 6 + 1 + conditions.cutMs + 2 + (3 + 2) + 3 * 5 + 2;
    const { latencies } = run({ ...idle, load: { ...idle.load, durationMs: 4e6 } }, costs, 1);
    expect(mean(latencies.intra)).toBeCloseTo(expected, 1);
  });

  test('is busy for what is asked of it', () => {
    const { machines, asked, stations } = run(
      asMeasured({ ...conditions, perSecond: 5 }, { coldShare: 0, cores: 1, idleShare: 0 }),
      costs,
      1,
    );
    const perQuestion = 4 + 2 * 6 + 1 + 3 + 3 * 5 + 2;
    const [everything] = stations;
    expect(machines.utilisation).toBeGreaterThan((5 * perQuestion) / 1000);
    expect(machines.utilisation).toBeLessThan((1.05 * 5 * (perQuestion + 2 + 2)) / 1000);
    expect((everything?.tally.workMs ?? 0) / asked).toBeGreaterThan(perQuestion);
    expect((everything?.tally.workMs ?? 0) / asked).toBeLessThanOrEqual(perQuestion + 2 + 2);
  });
});

test('every cost has a source', () => {
  expect(Object.keys(COST_SOURCES)).toEqual(Object.keys(DOCUMENTED_COSTS));
  for (const source of Object.values(COST_SOURCES)) expect(source).not.toBe('');
});

/** Of one question of a kind, on a machine with the true costs. */
function workMs(intraPercent: number): number {
  const { stations, asked } = run(
    asMeasured(known(intraPercent), { ...MACHINE, idleShare: IDLE_SHARE }),
    TRUE_COSTS,
    77,
  );
  return stations.reduce((sum, { tally }) => sum + tally.workMs, 0) / asked;
}

function known(intraPercent: number) {
  return { ...conditionsOf('federation', intraPercent, true), scheme: 'federation' } as const;
}

function conditionsOf(scheme: string, intraPercent: number, apart: boolean): Conditions {
  return {
    scheme,
    regions: 4,
    rttMs: 30,
    cutMs: 50,
    intraPercent,
    apart,
    temperature: 'cold',
    perSecond: 2,
    writesPerSecond: 0,
    records: 1000,
  };
}

/** What a measurement would have said, had the machine had the true costs: of both kinds apart, or of a mixture. */
function cell(scheme: string, mixedPercent?: number): Cell {
  const conditions = conditionsOf(scheme, mixedPercent ?? 50, mixedPercent === undefined);
  const empty: Cell = {
    id: `${scheme} ${conditions.intraPercent}`,
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
    idleShare: IDLE_SHARE,
  };
  const [imitated] = imitate([empty], MACHINE);
  if (imitated === undefined) return empty;
  const latency = Object.entries(imitated.scenarios).map(([kind, scenario]) => {
    const { latencies } = run(scenario, TRUE_COSTS, 77);
    const ms = KINDS.flatMap((each: Kind) => latencies[each]);
    return [kind, { mean: point(mean(ms)), median: point(0), p90: point(0), p99: point(0) }] as const;
  });
  return { ...empty, latency: Object.fromEntries(latency) };
}

function point(value: number): Interval {
  return { value, low: value, high: value };
}

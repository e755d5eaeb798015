import type { Cell, Kind } from '../results.ts';
import { type CostName, type Costs, DOCUMENTED_COSTS, PROCESSOR_COSTS } from './costs.ts';
import { asMeasured, type Scenario } from './scenario.ts';
import { isScheme } from './schemes.ts';
import { mean, run } from './simulate.ts';

/** `fitted`: by measurements alone; `scaled`: documented, times the factor that measurements gave; `documented`: as it was. */
export type Origin = 'fitted' | 'scaled' | 'documented';

export interface Calibrated {
  readonly costs: Costs;
  readonly origins: Readonly<Record<CostName, Origin>>;
}

const SEED = 1;
/** Of the system’s determinant beside its largest: below, the two unknowns cannot be told apart. */
const SINGULAR = 1e-6;
/** Factor of costs so low that nothing waits. */
const IDLE = 0.01;
const ROUNDS = 3;

/** A measured cell, and the scenario that imitates it. */
interface Imitated {
  readonly cell: Cell;
  readonly scenario: Scenario;
}

/**
 * Costs of the machine that cells were measured on. A cell has one figure of processor time, so that single costs cannot be told
 * apart: by least squares over the cells one factor for all of them is found, and, where cells differ in their share of questions
 * across regions, the work for an envelope besides. What then is missing of the measured mean latencies waits for no processor. Whatever
 * cells do not show stays as documented.
 */
export function calibrate(cells: readonly Cell[]): Calibrated {
  const imitated = imitate(cells);
  if (imitated.length === 0) return { costs: DOCUMENTED_COSTS, origins: originsOf({}) };
  const { factor, envelopeMs } = fit(imitated);
  const processors: Costs = { ...scaledBy(factor), ...(envelopeMs !== undefined && { envelopeMs }) };
  const missing = missingMs(imitated, processors);
  const waitingMs = missing.intra ?? missing.cross;
  return {
    costs: {
      ...processors,
      ...(waitingMs !== undefined && { waitingMs: Math.max(0, waitingMs) }),
      ...(missing.intra !== undefined &&
        missing.cross !== undefined && { crossWaitingMs: Math.max(0, missing.cross - Math.max(0, missing.intra)) }),
    },
    origins: originsOf({
      ...Object.fromEntries(PROCESSOR_COSTS.map((name) => [name, 'scaled' as const])),
      ...(envelopeMs !== undefined && { envelopeMs: 'fitted' }),
      ...(waitingMs !== undefined && { waitingMs: 'fitted' }),
      ...(missing.intra !== undefined && missing.cross !== undefined && { crossWaitingMs: 'fitted' }),
    }),
  };
}

/** Cells that count, of schemes that the simulator has. */
export function imitate(cells: readonly Cell[]): readonly Imitated[] {
  return cells.flatMap((cell) => {
    const { scheme } = cell.conditions;
    if (!isScheme(scheme) || cell.marks.some(({ weight }) => weight === 'void')) return [];
    return [{ cell, scenario: asMeasured({ ...cell.conditions, scheme }) }];
  });
}

interface Fit {
  readonly factor: number;
  /** Absent where the cells do not tell. */
  readonly envelopeMs?: number;
}

/**
 * Fits anew with what was found, until blocks are shared by as many as on the machine that was measured; the first round supposes one
 * that is never busy.
 */
function fit(imitated: readonly Imitated[]): Fit {
  let found: Fit = { factor: IDLE };
  for (let round = 0; round < ROUNDS; round++) found = fitOnce(imitated, found.factor);
  return found;
}

/** Processor time of a cell = factor × what documented costs make of it without envelopes + envelopeMs × envelopes. */
function fitOnce(imitated: readonly Imitated[], supposed: number): Fit {
  const rows = imitated.map(({ cell, scenario }) => {
    const costs = { ...scaledBy(supposed), envelopeMs: 0 };
    const without = workPerQuestion(scenario, costs) / supposed;
    const envelopes = workPerQuestion(scenario, { ...costs, envelopeMs: 1 }) - without * supposed;
    return { without, envelopes, measured: cell.perRequest.cpuMs };
  });
  type Row = (typeof rows)[number];
  const sum = (term: (row: Row) => number): number => rows.reduce((total, row) => total + term(row), 0);
  const aa = sum(({ without }) => without ** 2);
  const ab = sum(({ without, envelopes }) => without * envelopes);
  const bb = sum(({ envelopes }) => envelopes ** 2);
  const am = sum(({ without, measured }) => without * measured);
  const bm = sum(({ envelopes, measured }) => envelopes * measured);
  const determinant = aa * bb - ab ** 2;
  if (determinant > SINGULAR * aa * bb) {
    const factor = (am * bb - bm * ab) / determinant;
    const envelopeMs = (bm * aa - am * ab) / determinant;
    if (factor > 0 && envelopeMs >= 0) return { factor, envelopeMs };
  }
  const whole = ({ without, envelopes }: Row): number => without + envelopes * DOCUMENTED_COSTS.envelopeMs;
  return { factor: sum((row) => whole(row) * row.measured) / sum((row) => whole(row) ** 2) };
}

function scaledBy(factor: number): Costs {
  const scaled = PROCESSOR_COSTS.map((name) => [name, DOCUMENTED_COSTS[name] * factor] as const);
  return { ...DOCUMENTED_COSTS, ...Object.fromEntries(scaled) };
}

/** Processor time of one question and of what else goes on meanwhile. */
function workPerQuestion(scenario: Scenario, costs: Costs): number {
  const { stations, asked } = run(scenario, costs, SEED);
  return stations.reduce((sum, { tally }) => sum + tally.workMs, 0) / asked;
}

/** How much longer questions took than they do in the simulator, on the mean over the cells that have the kind. */
function missingMs(imitated: readonly Imitated[], costs: Costs): Partial<Record<Kind, number>> {
  const missing = { intra: [] as number[], cross: [] as number[] };
  for (const { cell, scenario } of imitated) {
    const { latencies } = run(scenario, costs, SEED);
    for (const kind of ['intra', 'cross'] as const) {
      const measured = cell.latency[kind]?.mean.value;
      if (measured !== undefined && latencies[kind].length > 0) missing[kind].push(measured - mean(latencies[kind]));
    }
  }
  return {
    ...(missing.intra.length > 0 && { intra: mean(missing.intra) }),
    ...(missing.cross.length > 0 && { cross: mean(missing.cross) }),
  };
}

function originsOf(known: Partial<Record<CostName, Origin>>): Readonly<Record<CostName, Origin>> {
  const names = Object.keys(DOCUMENTED_COSTS) as CostName[];
  return Object.fromEntries(names.map((name) => [name, known[name] ?? 'documented'])) as Record<CostName, Origin>;
}

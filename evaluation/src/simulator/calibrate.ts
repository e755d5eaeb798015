import type { PerQuestion } from '../processor.ts';
import type { Cell, Kind } from '../results.ts';
import { mean } from '../statistics/index.ts';
import { type CostName, type Costs, DOCUMENTED_COSTS, PROCESSOR_COSTS } from './costs.ts';
import { asMeasured, type Harness, type Scenario } from './scenario.ts';
import { isScheme } from './schemes.ts';
import { type Run, run } from './simulate.ts';

/** `fitted`: by measurements alone; `scaled`: documented, times the factor that measurements gave; `documented`: as it was. */
export type Origin = 'fitted' | 'scaled' | 'documented';

export interface Calibrated {
  readonly costs: Costs;
  readonly origins: Readonly<Record<CostName, Origin>>;
  /** What was particular to the machine that was measured. */
  readonly machine: Machine;
  /** Ids of the cells that costs come from: no evidence for them. */
  readonly cells: readonly string[];
}

/** What costs are found by. */
export interface Measured {
  /** Both kinds apart. */
  readonly cell: Cell;
  readonly perQuestion: PerQuestion;
  readonly machine: Machine;
}

/** {@link Harness.idleShare} is a cell's own. */
export type Machine = Omit<Harness, 'idleShare'>;

const SEED = 1;
const KINDS: readonly Kind[] = ['intra', 'cross'];
/** Factor of costs so low that nothing waits. */
const IDLE = 0.01;
const ROUNDS = 3;
/** What waits for no processor, and the kind of questions that tells how long. */
const WAITS = [
  ['waitingMs', 'intra'],
  ['legWaitingMs', 'cross'],
] as const;

/**
 * Costs of the machine that one cell was measured on. Its two kinds give two figures of processor time, so two unknowns: a factor of all
 * documented costs, and the work for an envelope between relays. What then is missing of the measured mean latencies waits for no
 * processor: a part of it in every question, the rest in what crosses regions. Whatever cells do not show stays as documented, as does
 * everything where nothing was measured.
 */
export function calibrate(measured: Measured | undefined): Calibrated {
  const [found] = measured === undefined ? [] : imitate([measured.cell], measured.machine);
  if (measured === undefined || found === undefined)
    return { costs: DOCUMENTED_COSTS, origins: originsOf({}), machine: { coldShare: 0, cores: 1 }, cells: [] };
  const { factor, envelopeMs } = fit(found, measured.perQuestion);
  const processors: Costs = { ...scaledBy(factor), ...(envelopeMs !== undefined && { envelopeMs }) };
  return {
    costs: withWaits(found, processors),
    origins: originsOf({
      ...Object.fromEntries(PROCESSOR_COSTS.map((name) => [name, 'scaled' as const])),
      ...(envelopeMs !== undefined && { envelopeMs: 'fitted' }),
      waitingMs: 'fitted',
      legWaitingMs: 'fitted',
    }),
    machine: measured.machine,
    cells: [measured.cell.id],
  };
}

/** A measured cell, and scenarios that imitate what was measured together: each kind by itself, or the mixture. */
export interface Imitated {
  readonly cell: Cell;
  readonly scenarios: Readonly<Partial<Record<Kind | 'all', Scenario>>>;
}

/** Cells that count, of schemes that the simulator has. */
export function imitate(cells: readonly Cell[], machine: Machine): readonly Imitated[] {
  return cells.flatMap((cell) => {
    const { scheme, apart } = cell.conditions;
    if (!isScheme(scheme) || cell.marks.some(({ weight }) => weight === 'void')) return [];
    const harness = { ...machine, idleShare: cell.idleShare };
    const of = (intraPercent: number) => asMeasured({ ...cell.conditions, scheme, intraPercent }, harness);
    const scenarios = apart ? { intra: of(100), cross: of(0) } : { all: of(cell.conditions.intraPercent) };
    return [{ cell, scenarios }];
  });
}

interface Fit {
  readonly factor: number;
  /** Absent where the kinds do not tell. */
  readonly envelopeMs?: number;
}

/**
 * Fits anew with what was found, until blocks are shared by as many as on the machine that was measured; the first round supposes one
 * that is never busy.
 */
function fit(imitated: Imitated, perQuestion: PerQuestion): Fit {
  let found: Fit = { factor: IDLE };
  for (let round = 0; round < ROUNDS; round++) found = fitOnce(imitated, perQuestion, found.factor);
  return found;
}

/** A question’s processor time = factor × what documented costs make of it without envelopes + envelopeMs × envelopes. */
function fitOnce({ scenarios }: Imitated, perQuestion: PerQuestion, supposed: number): Fit {
  const [intra, cross] = KINDS.map((kind) => {
    const costs = { ...scaledBy(supposed), envelopeMs: 0 };
    const scenario = scenarios[kind] as Scenario;
    const without = workPerQuestion(run(scenario, costs, SEED)) / supposed;
    const envelopes = workPerQuestion(run(scenario, { ...costs, envelopeMs: 1 }, SEED)) - without * supposed;
    return { without, envelopes, measured: perQuestion[kind] };
  }) as [Row, Row];
  // No envelope leaves a region for a question that stays in it.
  const factor = intra.measured / intra.without;
  const envelopeMs = (cross.measured - factor * cross.without) / cross.envelopes;
  if (envelopeMs >= 0) return { factor, envelopeMs };
  const whole = ({ without, envelopes }: Row): number => without + envelopes * DOCUMENTED_COSTS.envelopeMs;
  return { factor: (intra.measured + cross.measured) / (whole(intra) + whole(cross)) };
}

interface Row {
  readonly without: number;
  readonly envelopes: number;
  readonly measured: number;
}

/** A wait changes what else meets what on the one processor, so that it takes some rounds until means are those measured. */
function withWaits(imitated: Imitated, processors: Costs): Costs {
  let costs = processors;
  for (let round = 0; round < ROUNDS; round++)
    for (const [wait, kind] of WAITS)
      costs = { ...costs, [wait]: Math.max(0, costs[wait] + missingMs(imitated, costs, kind)) };
  return costs;
}

function scaledBy(factor: number): Costs {
  const scaled = PROCESSOR_COSTS.map((name) => [name, DOCUMENTED_COSTS[name] * factor] as const);
  return { ...DOCUMENTED_COSTS, ...Object.fromEntries(scaled) };
}

/** Of one question and of what else goes on because of it, milliseconds. */
function workPerQuestion({ stations, asked }: Run): number {
  return stations.reduce((sum, { tally }) => sum + tally.workMs, 0) / asked;
}

/** How much longer questions took than they do in the simulator. */
function missingMs({ cell, scenarios }: Imitated, costs: Costs, kind: Kind): number {
  const [measured, scenario] = [cell.latency[kind]?.mean.value, scenarios[kind]];
  if (measured === undefined || scenario === undefined) return 0;
  return measured - mean(run(scenario, costs, SEED).latencies[kind]);
}

function originsOf(known: Partial<Record<CostName, Origin>>): Readonly<Record<CostName, Origin>> {
  const names = Object.keys(DOCUMENTED_COSTS) as CostName[];
  return Object.fromEntries(names.map((name) => [name, known[name] ?? 'documented'])) as Record<CostName, Origin>;
}

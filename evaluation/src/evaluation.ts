import type { MeasuredCell } from './cells.ts';
import { counts, summarised } from './cells.ts';
import { processorsOf } from './machine.ts';
import { isModelled, predict, predictedCrossover, type Terms } from './model.ts';
import type { Options } from './options.ts';
import { type PlannedCell, type Primary, primaryOf } from './plan.ts';
import { type PerQuestion, perQuestionOf } from './processor.ts';
import type { RunRecord } from './record.ts';
import type { Calibration, Cell, Crossover, EngineName, Environment, Evaluation, Metric, Scheme } from './results.ts';
import { calibrate, type Measured, overCities, overProvinces, simulate, validate } from './simulator/index.ts';
import { crossover, deviationPercent } from './statistics/index.ts';
import { at, calibrationCell, coldShareOf, predictedMs, termsOf } from './terms.ts';
import { randomOf } from './workload.ts';

const METRICS: readonly Metric[] = ['mean', 'median', 'p99', 'throughput'];
const SIMULATED = ['federation', 'national', 'national-thin'] as const;
/** Whole turns of the checkpoints, which come every five seconds. */
const SIMULATED_MS = { quick: 5_000, full: 30_000 } as const;
const CITIES = 300;

/** Everything that follows from what was measured. */
export function evaluationOf(
  cells: readonly PlannedCell[],
  records: readonly RunRecord[],
  options: Options,
  environment: Environment,
): Evaluation {
  const { seed } = options;
  const primary = primaryOf(options);
  const recordsOf = Map.groupBy(records, ({ cell }) => cell);
  const measured = cells.map((cell) => summarised(cell, recordsOf.get(cell.id) ?? [], seed));
  const summaries = measured.map(({ cell }) => cell);
  const own = calibrationCell(summaries, primary);
  const perQuestion = own && perQuestionOf(recordsOf.get(own.id) ?? []);
  const terms = termsOf(summaries, primary, perQuestion);
  const apart = measured.filter(({ cell }) => cell.conditions.apart);
  const told = summaries.map((cell) => withModel(cell, terms, apart));
  const calibrated = calibrate(calibrationOf(told, primary, perQuestion, options.engine));
  const durationMs = SIMULATED_MS[options.profile];
  const scenarios = SIMULATED.flatMap((scheme) => [
    overProvinces({ scheme, durationMs }),
    ...(options.profile === 'full' ? [overCities(CITIES, { scheme, durationMs })] : []),
  ]);
  return {
    format: 'yilian-evaluation/v1',
    environment,
    schemes: schemesOf(records),
    primary,
    cells: told,
    crossovers: crossoversOf(apart, terms, seed, records),
    calibrations: calibrationsOf(records),
    simulations: scenarios.map((scenario) =>
      simulate(scenario, calibrated.costs, randomOf(seed, scenario.title).integer(0, 2 ** 31)),
    ),
    validations: validate(calibrated, told),
    terms: { ...terms },
  };
}

/** What the simulator's costs come from, where it was measured. */
function calibrationOf(
  cells: readonly Cell[],
  primary: Primary,
  perQuestion: PerQuestion | undefined,
  engine: EngineName,
): Measured | undefined {
  const cell = calibrationCell(cells, primary);
  if (cell === undefined || perQuestion === undefined || !counts(cell)) return undefined;
  return { cell, perQuestion, machine: { coldShare: coldShareOf(cells, primary), cores: processorsOf(engine) } };
}

function withModel(cell: Cell, terms: Terms, apart: readonly MeasuredCell[]): Cell {
  const predicted = predictedMs(cell.conditions, terms);
  const deviation = deviationOf(cell, apart);
  return {
    ...cell,
    ...(predicted !== undefined && { predicted }),
    ...(deviation !== undefined && { deviationPercent: deviation }),
  };
}

/** Of a mixture, from the kinds measured apart under the same conditions. */
function deviationOf({ conditions, latency }: Cell, apart: readonly MeasuredCell[]): number | undefined {
  if (conditions.apart || latency.all === undefined) return undefined;
  const line = apart.find(
    ({ cell }) => cell.conditions.scheme === conditions.scheme && groupOf(cell) === groupOf({ conditions }),
  );
  const { intra, cross } = line?.cell.latency ?? {};
  if (intra === undefined || cross === undefined) return undefined;
  const alone = { intraMs: intra.mean.value, crossMs: cross.mean.value };
  return deviationPercent(latency.all.mean.value, alone, conditions.intraPercent);
}

/** The federation beside every other scheme, and each of its ablations beside the main rival, wherever both were measured. */
function crossoversOf(
  apart: readonly MeasuredCell[],
  terms: Terms,
  seed: string,
  records: readonly RunRecord[],
): Crossover[] {
  const roles = new Map(schemesOf(records).map(({ id, role }) => [id, role]));
  const usable = apart.filter(({ cell }) => counts(cell));
  return [...Map.groupBy(usable, ({ cell }) => groupOf(cell)).values()].flatMap((group) => {
    const find = (id: string) => group.find(({ cell }) => cell.conditions.scheme === id);
    const [ours, main] = [find('federation'), find('national')];
    const pairs = group.flatMap((other): (readonly [MeasuredCell | undefined, MeasuredCell | undefined])[] => {
      const role = roles.get(other.cell.conditions.scheme);
      return role === 'ours' ? [] : role === 'ablation' ? [[other, main]] : [[ours, other]];
    });
    return pairs.flatMap(([own, theirs]) =>
      own === undefined || theirs === undefined
        ? []
        : METRICS.map((metric) => compared(own, theirs, metric, terms, seed)),
    );
  });
}

function compared(ours: MeasuredCell, theirs: MeasuredCell, metric: Metric, terms: Terms, seed: string): Crossover {
  const { scheme, intraPercent: _, apart: __, ...conditions } = ours.cell.conditions;
  const against = theirs.cell.conditions.scheme;
  const of = metric === 'throughput' ? 'processor' : 'latencies';
  const random = randomOf(seed, `crossover ${ours.cell.id} ${against} ${metric}`);
  const predicted = metric === 'mean' ? predictedPercent(scheme, against, at(terms, conditions)) : undefined;
  return {
    scheme,
    against,
    conditions,
    ...crossover(ours[of], theirs[of], metric, { random }),
    ...(predicted !== undefined && { predicted }),
  };
}

function predictedPercent(scheme: string, against: string, terms: Terms): number | undefined {
  if (!isModelled(scheme) || !isModelled(against)) return undefined;
  return predictedCrossover(predict(scheme, terms), predict(against, terms)).percent;
}

/** What two cells must have in common to be compared. */
function groupOf({ conditions }: Pick<Cell, 'conditions'>): string {
  const { scheme: _, intraPercent: __, apart: ___, ...rest } = conditions;
  return JSON.stringify(rest, Object.keys(rest).toSorted());
}

function schemesOf(records: readonly RunRecord[]): Scheme[] {
  return [...new Map(records.map(({ scheme }) => [scheme.id, scheme])).values()];
}

/** Of each pair of places at each distance, the run whose round trips changed most. */
function calibrationsOf(records: readonly RunRecord[]): Calibration[] {
  const all = records.flatMap(({ calibrations }) => calibrations);
  const change = ({ beforeMs, afterMs }: Calibration) => Math.abs(afterMs - beforeMs);
  return [...Map.groupBy(all, ({ from, to, askedMs }) => `${askedMs} ${from} ${to}`).values()].map((some) =>
    some.reduce((worst, each) => (change(each) > change(worst) ? each : worst)),
  );
}

import type { Cell, Conditions, Crossover, Evaluation, Kind, Mark, Metric, Role } from '../results.ts';
import { AGREEMENT } from '../statistics/crossover.ts';
import type { Text } from './markup.ts';

/** What cells share that differ only in scheme and in the share of queries that stay in their region. */
export type Shared = Omit<Conditions, 'scheme' | 'intraPercent' | 'apart'>;

export interface Group {
  readonly key: string;
  readonly conditions: Shared;
  readonly cells: readonly Cell[];
}

/** Two schemes side by side under the same conditions. */
export interface Comparison {
  readonly scheme: string;
  readonly against: string;
  readonly conditions: Shared;
}

/** An evaluation as the report reads it: cells by conditions, the primary ones first. */
export class View {
  readonly evaluation: Evaluation;
  readonly groups: readonly Group[];
  readonly #crossovers: ReadonlyMap<string, Crossover>;

  constructor(evaluation: Evaluation) {
    this.evaluation = evaluation;
    this.#crossovers = new Map(evaluation.crossovers.map((each) => [crossoverKey(each, each.metric), each]));
    const byKey = Map.groupBy(evaluation.cells, ({ conditions }) => keyOf(conditions));
    const groups = [...byKey].flatMap(([key, cells]) => {
      const [first] = cells;
      return first === undefined ? [] : [{ key, conditions: first.conditions, cells }];
    });
    this.groups = groups.toSorted(
      (a, b) =>
        Number(this.isPrimary(b.conditions)) - Number(this.isPrimary(a.conditions)) ||
        Number(this.#hasPrimaryPair(b)) - Number(this.#hasPrimaryPair(a)) ||
        a.conditions.temperature.localeCompare(b.conditions.temperature) ||
        a.conditions.writesPerSecond - b.conditions.writesPerSecond ||
        b.cells.length - a.cells.length ||
        a.conditions.rttMs - b.conditions.rttMs,
    );
  }

  /** Where the report looks first. */
  get main(): Group | undefined {
    return this.groups[0];
  }

  isPrimary({ regions, rttMs }: Pick<Shared, 'regions' | 'rttMs'>): boolean {
    const { primary } = this.evaluation;
    return regions === primary.regions && rttMs === primary.rttMs;
  }

  isPrimaryPair({ scheme, against }: Pick<Comparison, 'scheme' | 'against'>): boolean {
    const { primary } = this.evaluation;
    return scheme === primary.scheme && against === primary.against;
  }

  title(id: string): Text {
    const found = this.evaluation.schemes.find((scheme) => scheme.id === id);
    return found === undefined ? { zh: id, en: id } : { zh: found.titleZh, en: found.title };
  }

  role(id: string): Role | 'unknown' {
    return this.evaluation.schemes.find((scheme) => scheme.id === id)?.role ?? 'unknown';
  }

  /** In the order of their shares. */
  cells({ cells }: Group, scheme: string): readonly Cell[] {
    return cells
      .filter(({ conditions }) => conditions.scheme === scheme)
      .toSorted((a, b) => a.conditions.intraPercent - b.conditions.intraPercent);
  }

  /** The cell that says most of one kind: where the kinds are apart, or else all queries, or as many as measured, are of it. */
  purest(group: Group, scheme: string, kind: Kind): Cell | undefined {
    const sound = this.cells(group, scheme).filter((cell) => !isVoid(cell) && cell.latency[kind] !== undefined);
    return sound.find(({ conditions }) => conditions.apart) ?? (kind === 'cross' ? sound[0] : sound.at(-1));
  }

  /** Schemes of a group, in the order in which the evaluation names them. */
  schemes({ cells }: Group): readonly string[] {
    const present = new Set(cells.map(({ conditions }) => conditions.scheme));
    const named = this.evaluation.schemes.map(({ id }) => id).filter((id) => present.has(id));
    return [...named, ...[...present].filter((id) => !named.includes(id))];
  }

  group(conditions: Shared): Group | undefined {
    return this.groups.find(({ key }) => key === keyOf(conditions));
  }

  crossover(comparison: Comparison, metric: Metric): Crossover | undefined {
    return this.#crossovers.get(crossoverKey(comparison, metric));
  }

  /** Each pair of schemes once for each conditions, the primary pair first. */
  comparisons(): readonly Comparison[] {
    const unique = new Map(this.evaluation.crossovers.map((each) => [crossoverKey(each, ''), each]));
    const order = new Map(this.groups.map(({ key }, index) => [key, index]));
    const place = ({ conditions }: Comparison) => order.get(keyOf(conditions)) ?? order.size;
    return [...unique.values()].toSorted(
      (a, b) => place(a) - place(b) || Number(this.isPrimaryPair(b)) - Number(this.isPrimaryPair(a)),
    );
  }

  #hasPrimaryPair({ key }: Group): boolean {
    return this.evaluation.crossovers.some((each) => this.isPrimaryPair(each) && keyOf(each.conditions) === key);
  }
}

/** Whether enough resamples came to the verdict; a prediction has none. */
export function isSettled({ verdict, verdicts }: Pick<Crossover, 'verdict'> & Partial<Crossover>): boolean {
  return verdicts === undefined || verdicts[verdict] >= AGREEMENT;
}

export function isVoid({ marks }: Pick<Cell, 'marks'>): boolean {
  return marks.some(({ weight }) => weight === 'void');
}

/** Marks that count for a metric: too few samples speak against a high percentile, not against a mean. */
export function marksFor({ marks }: Pick<Cell, 'marks'>, metric: 'mean' | 'median' | 'p99'): readonly Mark[] {
  return marks.filter(({ code }) => code !== 'FEW_SAMPLES' || metric === 'p99');
}

export function keyOf(conditions: Shared): string {
  const { regions, rttMs, cutMs, temperature, perSecond, writesPerSecond, records } = conditions;
  return JSON.stringify([regions, rttMs, cutMs, temperature, perSecond, writesPerSecond, records]);
}

function crossoverKey({ scheme, against, conditions }: Comparison, metric: string): string {
  return JSON.stringify([scheme, against, keyOf(conditions), metric]);
}

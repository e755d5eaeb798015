import type { Part, RunRecord } from './record.ts';
import type { Kind } from './results.ts';
import { mean } from './statistics/index.ts';

/** What the one processor of a run was busy with. */
export interface ProcessorTime {
  /** Of a question of each kind, milliseconds. */
  readonly perQuestion: Readonly<Record<Kind, number>>;
  /** Share of the processor that parts take which wait for questions: queues polled, streams kept open, 0..1. */
  readonly restShare: number;
}

interface Row {
  readonly kind: Kind;
  readonly cpuMs: number;
  /** Both by question, milliseconds. */
  readonly wallMs: number;
}

/**
 * Least squares of processor time = a question's, by its kind, + rest × time. As many questions take longer in one run than in
 * another, by chance of when they come, so that the two can be told apart; of several schemes the rest is taken to be the same.
 * `own` is the scheme whose questions count. Where time tells nothing, all is the questions'.
 */
export function processorTimeOf(records: readonly RunRecord[], own: string): ProcessorTime | undefined {
  const groups = [...Map.groupBy(records, ({ scheme }) => scheme.id).values()].flatMap((some) => [
    ...Map.groupBy(
      some.flatMap(({ parts }) => rowsOf(parts)),
      ({ kind }) => kind,
    ).values(),
  ]);
  const rows = groups.flatMap((group) => {
    const [cpuMs, wallMs] = [meanOf(group, 'cpuMs'), meanOf(group, 'wallMs')];
    return group.map((row) => ({ cpuMs: row.cpuMs - cpuMs, wallMs: row.wallMs - wallMs }));
  });
  const spread = rows.reduce((sum, { wallMs }) => sum + wallMs ** 2, 0);
  const slope = spread === 0 ? 0 : rows.reduce((sum, { cpuMs, wallMs }) => sum + cpuMs * wallMs, 0) / spread;
  const restShare = Math.min(MOST_REST, Math.max(0, slope));
  const ours = records.filter(({ scheme }) => scheme.id === own).flatMap(({ parts }) => rowsOf(parts));
  const perQuestion = (kind: Kind) => {
    const some = ours.filter((row) => row.kind === kind);
    return meanOf(some, 'cpuMs') - restShare * meanOf(some, 'wallMs');
  };
  const [intra, cross] = [perQuestion('intra'), perQuestion('cross')];
  return intra > 0 && cross > 0 ? { perQuestion: { intra, cross }, restShare } : undefined;
}

/** Above it no run would have been sound. */
const MOST_REST = 0.5;

/** Of the parts that ask questions of one kind alone. */
export function rowsOf(parts: readonly Part[]): Row[] {
  return parts.flatMap(({ kinds: [kind, ...others], cpuMs, wallMs, requests }) =>
    kind === undefined || others.length > 0 ? [] : [{ kind, cpuMs: cpuMs / requests, wallMs: wallMs / requests }],
  );
}

function meanOf(rows: readonly Row[], of: 'cpuMs' | 'wallMs'): number {
  return mean(rows.map((row) => row[of]));
}

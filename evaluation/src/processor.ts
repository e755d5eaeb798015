import { type Part, type RunRecord, sum } from './record.ts';
import type { Kind } from './results.ts';
import { mean } from './statistics/index.ts';

/** Processor milliseconds of a question of each kind. */
export type PerQuestion = Readonly<Record<Kind, number>>;

interface Row {
  readonly kind: Kind;
  readonly cpuMs: number;
  /** Both by question, milliseconds. */
  readonly wallMs: number;
}

/** Of one processor, what runs take while nobody asks. */
export function idleShareOf(records: readonly RunRecord[]): number {
  const idle = records.map((record) => record.idle);
  return idle.length === 0 ? 0 : sum(idle, 'cpuMs') / sum(idle, 'wallMs');
}

/** What questions take on top of what goes on anyway, of runs whose kinds were apart. */
export function perQuestionOf(records: readonly RunRecord[]): PerQuestion | undefined {
  const idleShare = idleShareOf(records);
  const rows = rowsOf(records.flatMap(({ parts }) => parts));
  const of = (wanted: Kind) =>
    mean(rows.filter(({ kind }) => kind === wanted).map(({ cpuMs, wallMs }) => cpuMs - idleShare * wallMs));
  const [intra, cross] = [of('intra'), of('cross')];
  return intra > 0 && cross > 0 ? { intra, cross } : undefined;
}

/** Of the parts that ask questions of one kind alone. */
export function rowsOf(parts: readonly Part[]): Row[] {
  return parts.flatMap(({ kinds: [kind, ...others], cpuMs, wallMs, requests }) =>
    kind === undefined || others.length > 0 ? [] : [{ kind, cpuMs: cpuMs / requests, wallMs: wallMs / requests }],
  );
}

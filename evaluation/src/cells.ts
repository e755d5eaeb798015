import { cpus } from 'node:os';
import { LIMIT_MS } from './measure.ts';
import type { PlannedCell } from './plan.ts';
import { idleShareOf, rowsOf } from './processor.ts';
import { type RunRecord, sum } from './record.ts';
import type { Cell, Kind, Mark, Sample } from './results.ts';
import { fewSamples, latencies, latencyIntervals, mean, type Observations, percentiles } from './statistics/index.ts';
import { randomOf } from './workload.ts';

const KINDS: readonly Kind[] = ['intra', 'cross'];
/** One run says nothing about how runs differ. */
const LEAST_RUNS = 2;
const WRONG: readonly Mark['code'][] = ['WRONG_ANSWER', 'MISSING_ANSWER'];

/** A cell with the runs that count. */
export interface MeasuredCell {
  readonly cell: Cell;
  /** Latencies, milliseconds. */
  readonly latencies: Observations;
  /** Processor milliseconds per request, one value a run: of runs whose kinds were apart. */
  readonly processor: Observations;
}

/**
 * All of a cell's runs together. A run in which the network drifted or the clock jumped is left out; one wrong or missing
 * answer voids the cell, as does having too few runs left.
 */
export function summarised({ id, conditions }: PlannedCell, records: readonly RunRecord[], seed: string): MeasuredCell {
  const disturbed = records.filter(({ marks }) =>
    marks.some(({ weight, code }) => weight === 'void' && !WRONG.includes(code)),
  );
  const counted = records.filter((record) => !disturbed.includes(record));
  const samples = counted.flatMap((record) => record.samples);
  const parts = counted.flatMap((record) => record.parts);
  const observed = latencies(samples, LIMIT_MS);
  const requests = sum(parts, 'requests');
  const per = (of: 'cpuMs' | 'bytesBetween' | 'bytesWithin' | 'chainBytes') => ratio(sum(parts, of), requests);
  const kinds = KINDS.filter((kind) => samples.some((sample) => sample.kind === kind));
  const cell: Cell = {
    id,
    conditions,
    runs: counted.length,
    samples: samples.length,
    timeouts: samples.filter(({ latencyMs }) => latencyMs === undefined).length,
    marks: marksOf(records, disturbed, counted, samples.length),
    latency:
      counted.length < LEAST_RUNS
        ? {}
        : latencyIntervals(observed, conditions.intraPercent, { random: randomOf(seed, `bootstrap ${id}`) }),
    phases: byKind(kinds, (kind) => phasesOf(ofKind(samples, kind))),
    percentiles: byKind(kinds, (kind) =>
      percentiles(ofKind(samples, kind).map(({ latencyMs = LIMIT_MS }) => latencyMs)),
    ),
    goodput: ratio(1000 * sum(parts, 'answered'), sum(parts, 'wallMs')),
    perRequest: {
      cpuMs: per('cpuMs'),
      bytesBetween: per('bytesBetween'),
      bytesWithin: per('bytesWithin'),
      chainBytes: per('chainBytes'),
    },
    cpuShare: ratio(sum(parts, 'cpuMs'), sum(parts, 'wallMs') * cpus().length),
    idleShare: idleShareOf(counted),
  };
  return { cell, latencies: observed, processor: conditions.apart ? [counted.map(costsOf)] : [] };
}

/** Whether anything may be concluded from a cell. */
export function counts({ marks, latency }: Cell): boolean {
  return latency.all !== undefined && !marks.some(({ weight }) => weight === 'void');
}

function marksOf(
  records: readonly RunRecord[],
  disturbed: readonly RunRecord[],
  counted: readonly RunRecord[],
  samples: number,
): Mark[] {
  const own = counted.flatMap(({ marks }) => marks);
  const leftOut = disturbed.flatMap(({ run, marks }): Mark[] => {
    const [{ code, detail }] = marks.filter(({ weight }) => weight === 'void') as [Mark];
    return [
      {
        weight: counted.length < LEAST_RUNS ? 'void' : 'flag',
        code,
        detail: `run ${run + 1} of ${records.length} left out: ${detail}`,
      },
    ];
  });
  const few = fewSamples(samples);
  const all = [...own, ...leftOut, ...(few === undefined ? [] : [few])];
  return [...Map.groupBy(all, ({ weight, code, detail }) => `${weight} ${code} ${detail}`).values()].map(
    ([mark]) => mark as Mark,
  );
}

function costsOf({ parts }: RunRecord): Readonly<Record<Kind, Float64Array>> {
  const of = (kind: Kind) =>
    Float64Array.from(
      rowsOf(parts).filter((row) => row.kind === kind),
      ({ cpuMs }) => cpuMs,
    );
  return { intra: of('intra'), cross: of('cross') };
}

function phasesOf(samples: readonly Sample[]): Record<string, number> {
  const answered = samples.filter(({ latencyMs }) => latencyMs !== undefined);
  const names = Object.keys(answered[0]?.phases ?? {});
  return Object.fromEntries(names.map((name) => [name, mean(answered.map(({ phases }) => phases[name] ?? 0))]));
}

function byKind<T>(kinds: readonly Kind[], of: (kind: Kind) => T): Partial<Record<Kind, T>> {
  return Object.fromEntries(kinds.map((kind) => [kind, of(kind)]));
}

function ofKind(samples: readonly Sample[], wanted: Kind): Sample[] {
  return samples.filter(({ kind }) => kind === wanted);
}

/** Nothing measured is none of it. */
function ratio(amount: number, of: number): number {
  return of === 0 ? 0 : amount / of;
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '@yilian/service';
import type { Calibration, Kind, Mark, Sample, Scheme } from './results.ts';

/** What one run of one cell left, whole or not at all. */
export interface RunRecord {
  readonly format: 'yilian-evaluation-run/v2';
  readonly cell: string;
  readonly run: number;
  readonly scheme: Scheme;
  readonly samples: readonly Sample[];
  readonly marks: readonly Mark[];
  readonly calibrations: readonly Calibration[];
  /** While nobody asked, afterwards: queues are polled and streams kept open all the same. */
  readonly idle: Pick<Part, 'wallMs' | 'cpuMs'>;
  /** Of the parts the run consists of, in the order they came. */
  readonly parts: readonly Part[];
}

/** Requests that were measured together: those of one kind, or all of a mixture. */
export interface Part {
  readonly kinds: readonly Kind[];
  readonly requests: number;
  readonly answered: number;
  readonly wallMs: number;
  /** Of the run's process, which holds every part and whoever asks, and of the processes that its chains are besides. */
  readonly cpuMs: number;
  readonly bytesBetween: number;
  readonly bytesWithin: number;
  readonly chainBytes: number;
}

/** Over all of a run's parts, or of many runs'. */
export function sum<K extends Exclude<keyof Part, 'kinds'>>(parts: readonly Pick<Part, K>[], of: K): number {
  return parts.reduce((total, part) => total + part[of], 0);
}

const FORMAT = 'yilian-evaluation-run/v2';

/** Where a run is kept below an evaluation's folder. */
export function recordFile(folder: string, cell: string, run: number): string {
  return join(folder, 'runs', `${cell}.${run}.json`);
}

export function writeRecord(file: string, record: RunRecord): void {
  writeWhole(file, `${JSON.stringify(record)}\n`);
}

/** `undefined` when the run was never finished. */
export async function readRecord(file: string): Promise<RunRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as RunRecord;
    return record.format === FORMAT ? record : undefined;
  } catch {
    return undefined;
  }
}

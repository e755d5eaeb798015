import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { writeWhole } from '@yilian/service';
import { EvaluationError } from './errors.ts';
import type { Task } from './measure.ts';
import type { Options } from './options.ts';
import type { PlannedCell } from './plan.ts';
import { type RunRecord, readRecord, recordFile } from './record.ts';
import type { EngineName } from './results.ts';
import { interleave } from './statistics/index.ts';
import { randomOf } from './workload.ts';

const RUN = fileURLToPath(new URL('./run.ts', import.meta.url));
/** Between places: what provinces have between them, and no loss, which would be its own question. */
const NETWORK = { jitter: 0.05, mbit: 200, loss: 0 };
/**
 * Of a run. With records of the mix `documents` the process took 423 MiB at two regions, 474 at four and 526 at eight, and a Redis at each
 * place some ten; the rest is for larger records. On Fabric all processes of the scheme with most peers, `multi-channel`, and their files
 * in memory took 2.3 GiB at two regions and 4.3 at four.
 */
const ROOM: Readonly<Record<EngineName, { readonly baseMiB: number; readonly regionMiB: number }>> = {
  embedded: { baseMiB: 400, regionMiB: 60 },
  fabric: { baseMiB: 600, regionMiB: 1200 },
};
const MIB = 2 ** 20;
/** A run that takes so long has hung. */
const RUN_LIMIT_MS = 3_600_000;
/** Of what a run said before it failed, characters. */
const TAIL = 4096;

export type Progress = (line: string) => void;

/**
 * Measures every cell that its folder does not have yet, in an order that lets nothing that drifts fall on one scheme alone.
 * @throws EvaluationError OPTION_INVALID for another evaluation's folder; MACHINE_TOO_SMALL; RUN_FAILED
 */
export async function measureAll(
  cells: readonly PlannedCell[],
  options: Options,
  signal: AbortSignal,
  progress: Progress,
): Promise<RunRecord[]> {
  const { folder, engine, runs, requests, warmUp, mix, seed } = options;
  requireRoom(Math.max(...cells.map(({ conditions }) => conditions.regions)), engine);
  await claim(folder, options);
  const turns = interleave(cells, runs, randomOf(seed, 'order'));
  const records: RunRecord[] = [];
  const began = performance.now();
  let measured = 0;
  for (const [index, { cell, run }] of turns.entries()) {
    const file = recordFile(folder, cell.id, run);
    const kept = await readRecord(file);
    if (kept === undefined) {
      const left =
        measured === 0
          ? ''
          : `, about ${minutes(((performance.now() - began) / measured) * (turns.length - index))} to go`;
      progress(`${index + 1} of ${turns.length}${left}: ${cell.id}, run ${run + 1}`);
      await inProcess({ cell, engine, run, requests, warmUp, mix, seed, network: NETWORK }, folder, signal);
      measured += 1;
    }
    const record = kept ?? (await readRecord(file));
    if (record === undefined) throw new EvaluationError('RUN_FAILED', `${cell.id}, run ${run + 1}, left no record`);
    records.push(record);
  }
  return records;
}

/** @throws EvaluationError MACHINE_TOO_SMALL */
export function requireRoom(regions: number, engine: EngineName, memoryBytes = totalmem()): void {
  const { baseMiB, regionMiB } = ROOM[engine];
  const wantedMiB = baseMiB + regionMiB * regions;
  if (wantedMiB * MIB <= memoryBytes / 2) return;
  const has = Math.round(memoryBytes / MIB);
  throw new EvaluationError(
    'MACHINE_TOO_SMALL',
    `${regions} regions on the engine ${engine} need about ${wantedMiB} MiB and half of the memory stays free; this machine has ${has} MiB`,
  );
}

/** The seed of the evaluation that a folder holds. */
export function seedOf(folder: string): string | undefined {
  try {
    const { seed } = JSON.parse(readFileSync(join(folder, 'options.json'), 'utf8')) as { seed?: unknown };
    return typeof seed === 'string' ? seed : undefined;
  } catch {
    return undefined;
  }
}

/** A folder is one evaluation's: runs under other options are not mixed. */
async function claim(folder: string, { folder: _, ...options }: Options): Promise<void> {
  await mkdir(join(folder, 'runs'), { recursive: true });
  const file = join(folder, 'options.json');
  const text = `${JSON.stringify(options, null, 2)}\n`;
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === undefined) writeWhole(file, text);
  else if (before !== text)
    throw new EvaluationError('OPTION_INVALID', `${folder} holds an evaluation with other options; see ${file}`);
}

async function inProcess(task: Task, folder: string, signal: AbortSignal): Promise<void> {
  const name = `${task.cell.id}.${task.run}`;
  const taskFile = join(folder, 'runs', `${name}.task`);
  await writeFile(taskFile, JSON.stringify(task));
  signal.throwIfAborted();
  const child = spawn(process.execPath, [RUN, taskFile, recordFile(folder, task.cell.id, task.run)], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const end = () => void child.kill('SIGTERM');
  signal.addEventListener('abort', end);
  const hung = setTimeout(end, RUN_LIMIT_MS);
  try {
    const [said, [code, killed]] = await Promise.all([
      text(child.stderr),
      once(child, 'close') as Promise<[number | null, string | null]>,
    ]);
    signal.throwIfAborted();
    if (code !== 0)
      throw new EvaluationError('RUN_FAILED', `${name} ended with ${killed ?? code}: ${said.slice(-TAIL).trim()}`);
  } finally {
    clearTimeout(hung);
    signal.removeEventListener('abort', end);
  }
  await rm(taskFile);
}

function minutes(ms: number): string {
  return ms < 90_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

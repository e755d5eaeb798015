import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Running } from '@yilian/deploy';
import { round } from './statistics.ts';

/** What the processes of one kind hold and have used since they started. */
interface Usage {
  readonly processes: number;
  /** Proportional set size: shared pages counted once over all processes. */
  readonly memoryMiB: number;
  readonly cpuSeconds: number;
}

const TICKS_PER_SECOND = 100;
const MIB = 1024 * 1024;

/** Usage of a federation's processes by kind: `peer`, `orderer`, `contracts`, `chain`, `relay`, `proxy` and so on. */
export async function usage({ processes }: Running): Promise<ReadonlyMap<string, Usage>> {
  const kinds = new Map<string, Usage>();
  for (const { name, pid } of processes) {
    const [first = '', second = first] = name.split('/');
    const before = kinds.get(second) ?? { processes: 0, memoryMiB: 0, cpuSeconds: 0 };
    kinds.set(second, {
      processes: before.processes + 1,
      memoryMiB: before.memoryMiB + (await memoryOf(pid)),
      cpuSeconds: before.cpuSeconds + (await cpuOf(pid)),
    });
  }
  return kinds;
}

/** Milliseconds of processor for each of `count` things done between two readings, by kind and in all. */
export function cpuFor(
  count: number,
  before: ReadonlyMap<string, Usage>,
  after: ReadonlyMap<string, Usage>,
): Readonly<Record<string, number>> {
  const spent = [...after].map(
    ([kind, { cpuSeconds }]) => [kind, ((cpuSeconds - (before.get(kind)?.cpuSeconds ?? 0)) * 1000) / count] as const,
  );
  const all = spent.reduce((sum, [, ms]) => sum + ms, 0);
  return Object.fromEntries([...spent, ['all', all] as const].map(([kind, ms]) => [kind, round(ms)]));
}

/** Bytes the files below a folder take on the disk. */
export async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    // Files come and go while a federation runs.
    if (entry.isFile())
      bytes += await stat(join(entry.parentPath, entry.name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      );
  }
  return bytes;
}

async function memoryOf(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return (Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024) / MIB;
}

async function cpuOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

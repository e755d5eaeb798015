import type { Machine } from '@yilian/evaluation/machine';
import type { Summary } from './statistics.ts';

/** Everything between question and answer but commits of the ledgers, the proxies, and the check of the proof. */
export const OWN_SHARE = 'relay: own share';
const OWN_SHARE_AIM_MS = 20;

export interface Cell {
  readonly kind: 'intra' | 'cross';
  readonly record: '20 KB' | '2 MB';
  readonly grant: 'cold' | 'reused';
  readonly phases: Readonly<Record<string, Summary>>;
}

/** Queries in a second, and what one of them costs. */
export interface Rate {
  readonly kind: Cell['kind'];
  readonly inFlight: number;
  readonly perSecond: number;
  /** Milliseconds of processor by kind of process. */
  readonly cpuMs: Readonly<Record<string, number>>;
  readonly diskKiB: number;
}

/** Shows a result as tables. */
export function print(result: {
  machine: Machine;
  cells: readonly Cell[];
  pairs?: Readonly<Record<Cell['kind'] | 'difference', Summary>>;
  throughput: readonly Rate[];
  memory: Readonly<Record<string, { readonly processes: number; readonly memoryMiB: number }>>;
}): void {
  const { cpu, cores, node, commit } = result.machine;
  console.log(`${cpu}, ${cores} cores, Node ${node}, commit ${commit}; milliseconds\n`);
  console.log('query   record  grant    phase                          n     p50     p95     p99');
  for (const { kind, record, grant: how, phases } of result.cells) {
    for (const [phase, { n, p50, p95, p99 }] of Object.entries(phases)) {
      const figures = [p50, p95, p99].map((value) => value.toFixed(1).padStart(8)).join('');
      console.log(
        `${kind.padEnd(8)}${record.padEnd(8)}${how.padEnd(9)}${phase.padEnd(28)}${String(n).padStart(4)}${figures}`,
      );
    }
  }
  const own = result.cells.map(({ phases }) => phases[OWN_SHARE]?.p50 ?? Number.NaN);
  console.log(`\n${OWN_SHARE}: p50 up to ${Math.max(...own)} ms, aim ${OWN_SHARE_AIM_MS} ms`);
  if (result.pairs !== undefined) {
    console.log('\nin turn, one at a time     n     p50     p95     p99');
    for (const [what, { n, p50, p95, p99 }] of Object.entries(result.pairs)) {
      const figures = [p50, p95, p99].map((value) => value.toFixed(1).padStart(8)).join('');
      console.log(`${what.padEnd(24)}${String(n).padStart(4)}${figures}`);
    }
  }
  console.log('\nquery   in flight   per second   CPU ms a query   KiB on disk (ask to opened, 20 KB, reused grant)');
  for (const { kind, inFlight, perSecond, cpuMs, diskKiB } of result.throughput) {
    const row = [String(inFlight).padStart(9), String(perSecond).padStart(13), String(cpuMs['all']).padStart(17)];
    console.log(`${kind.padEnd(8)}${row.join('')}${String(diskKiB).padStart(14)}`);
  }
  const [busiest] = result.throughput.toSorted((a, b) => b.perSecond - a.perSecond);
  const cost = Object.entries(busiest?.cpuMs ?? {}).toSorted(([, a], [, b]) => b - a);
  console.log(
    `\nof which, ${busiest?.kind} at ${busiest?.inFlight}: ${cost.map(([kind, ms]) => `${kind} ${ms}`).join(', ')}`,
  );
  const held = Object.entries(result.memory).map(
    ([kind, { processes, memoryMiB }]) => `${processes} ${kind} ${memoryMiB}`,
  );
  console.log(`MiB of memory at the end: ${held.join(', ')}`);
}

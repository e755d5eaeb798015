import type { Kind, Sample } from '../results.ts';

/** What one run measured, a value a request; or one value for the run, such as its processor time per request. */
export type Run = Readonly<Record<Kind, Float64Array>>;

/** One scheme's runs by cell. A kind may be absent from a cell: queries of each kind alone are two cells. */
export type Observations = readonly (readonly Run[])[];

/**
 * Latencies in milliseconds. A request whose time was up counts with the whole `limitMs`: to leave it out would make the
 * slowest requests the cheapest.
 */
export function latencies(samples: Iterable<Sample>, limitMs: number): Observations {
  const cells = new Map<string, Map<number, Record<Kind, number[]>>>();
  for (const { cell, run, kind, latencyMs = limitMs } of samples) {
    const runs = cells.get(cell) ?? new Map<number, Record<Kind, number[]>>();
    const kinds = runs.get(run) ?? { intra: [], cross: [] };
    kinds[kind].push(latencyMs);
    cells.set(cell, runs.set(run, kinds));
  }
  return [...cells.values()].map((runs) =>
    [...runs.values()].map(({ intra, cross }) => ({
      intra: Float64Array.from(intra),
      cross: Float64Array.from(cross),
    })),
  );
}

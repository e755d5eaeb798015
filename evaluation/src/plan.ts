import type { Options } from './options.ts';
import type { Conditions } from './results.ts';
import { schemeOf } from './schemes/index.ts';

/** A cell to measure. */
export interface PlannedCell {
  readonly id: string;
  readonly conditions: Conditions;
}

/** The comparison named before anything is measured: cold, at four regions and 30 ms if they are among those measured. */
export interface Primary {
  readonly scheme: string;
  readonly against: string;
  readonly regions: number;
  readonly rttMs: number;
}

/**
 * Which cells are measured: every scheme with the kinds apart at every distance and number of regions; the mixtures, block
 * cuts, writers and ledgers at the first of each for the federation and its main rival alone, where whole lines would cost
 * hours and say nothing new.
 */
export function planned(options: Options): PlannedCell[] {
  const [cutMs = 0] = options.cutsMs;
  const [writesPerSecond = 0] = options.writesPerSecond;
  const [records = 0] = options.records;
  const [first] = options.temperatures;
  const { regions, rttMs } = primaryOf(options);
  const base = {
    cutMs,
    writesPerSecond,
    records,
    perSecond: options.perSecond,
    intraPercent: 50,
    apart: true,
  } as const;
  const main = options.schemes.filter((id) => MAIN.includes(id));
  const cells: Conditions[] = [];
  for (const temperature of options.temperatures)
    for (const count of options.regions)
      for (const distance of options.rttsMs) {
        if (count !== regions && distance !== rttMs) continue;
        for (const scheme of options.schemes) {
          if (temperature !== first && schemeOf(scheme, count).role === 'ablation') continue;
          cells.push({ ...base, scheme, regions: count, rttMs: distance, temperature });
        }
      }
  const there = { ...base, regions, rttMs, temperature: first ?? 'cold' } as const;
  for (const scheme of main) {
    for (const intraPercent of options.ratios) cells.push({ ...there, scheme, intraPercent, apart: false });
    for (const cut of options.cutsMs.slice(1)) cells.push({ ...there, scheme, cutMs: cut });
    for (const writes of options.writesPerSecond.slice(1)) cells.push({ ...there, scheme, writesPerSecond: writes });
    for (const count of options.records.slice(1)) cells.push({ ...there, scheme, records: count });
  }
  return cells.map((conditions) => ({ id: idOf(conditions), conditions }));
}

export function primaryOf({ regions, rttsMs }: Pick<Options, 'regions' | 'rttsMs'>): Primary {
  const nearest = (values: readonly number[], wanted: number) =>
    values.reduce(
      (best, value) => (Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best),
      values[0] ?? wanted,
    );
  return { scheme: 'federation', against: 'national', regions: nearest(regions, 4), rttMs: nearest(rttsMs, 30) };
}

const MAIN: readonly string[] = ['federation', 'national'];

/** Readable, and the same for the same conditions. */
function idOf({
  scheme,
  regions,
  rttMs,
  cutMs,
  intraPercent,
  temperature,
  writesPerSecond,
  records,
  apart,
}: Conditions): string {
  const kinds = apart ? 'apart' : `p${intraPercent}`;
  return `${scheme}-r${regions}-d${rttMs}-c${cutMs}-${kinds}-${temperature}-w${writesPerSecond}-n${records}`;
}

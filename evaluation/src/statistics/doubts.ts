import type { Mark } from '../results.ts';

/** Fewer leave less than a hundred above the 99th percentile. */
const SAMPLES_FOR_P99 = 10_000;

/** The mark of a cell whose p99 rests on too little. */
export function fewSamples(samples: number): Mark | undefined {
  if (samples >= SAMPLES_FOR_P99) return undefined;
  return { weight: 'flag', code: 'FEW_SAMPLES', detail: `p99 of ${samples} requests, fewer than ${SAMPLES_FOR_P99}` };
}

/**
 * How far a measured mixture's mean lies from the straight line between the kinds measured alone, in percent of the line:
 * where queries of one kind queue behind those of the other, a mixture is slower than its parts.
 */
export function deviationPercent(
  measuredMs: number,
  alone: { readonly intraMs: number; readonly crossMs: number },
  intraPercent: number,
): number {
  const line = alone.crossMs + (intraPercent / 100) * (alone.intraMs - alone.crossMs);
  return (100 * (measuredMs - line)) / line;
}

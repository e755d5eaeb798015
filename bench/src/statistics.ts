import { quantile } from '@yilian/evaluation/statistics';

/** Quantiles of measured milliseconds, by the nearest-rank method. */
export interface Summary {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export function summarise(samples: readonly number[]): Summary {
  const rank = (q: number): number => round(quantile(samples, q));
  return { n: samples.length, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) };
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

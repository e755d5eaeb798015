/** Quantile `q` (0..1) by the nearest-rank method: the least sample that a share `q` of all does not exceed. */
export function quantile(samples: ArrayLike<number>, q: number): number {
  return atRank(Float64Array.from(samples).sort(), q * samples.length);
}

/** The samples at the percentiles 0, 1, … 100, by the nearest-rank method. */
export function percentiles(samples: ArrayLike<number>): number[] {
  const sorted = Float64Array.from(samples).sort();
  return Array.from({ length: 101 }, (_, percent) => atRank(sorted, (percent * sorted.length) / 100));
}

function atRank(sorted: Float64Array, rank: number): number {
  return sorted[Math.max(0, Math.ceil(rank) - 1)] ?? Number.NaN;
}

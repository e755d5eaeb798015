import type { Random } from '@yilian/testbed/random';
import type { Cell, Interval, Kind } from '../results.ts';
import type { Mixture } from './mixture.ts';
import type { Observations } from './observations.ts';
import { quantile } from './quantile.ts';
import { Resamples } from './resamples.ts';
import { tails } from './tails.ts';

export interface ResampleOptions {
  readonly random: Random;
  readonly resamples?: number;
}

export const RESAMPLES = 1000;

const STATISTICS = {
  mean: (mixture: Mixture, intraShare: number) => mixture.mean(intraShare),
  median: (mixture: Mixture, intraShare: number) => mixture.quantile(0.5, intraShare),
  p90: (mixture: Mixture, intraShare: number) => mixture.quantile(0.9, intraShare),
  p99: (mixture: Mixture, intraShare: number) => mixture.quantile(0.99, intraShare),
} as const;

/** Each kind that was measured, and the mixture of both of which `intraPercent` (0..100) stay in their region. */
export function latencyIntervals(
  observations: Observations,
  intraPercent: number,
  { random, resamples = RESAMPLES }: ResampleOptions,
): Cell['latency'] {
  const source = new Resamples(observations);
  const whole = source.whole();
  const shares: Readonly<Record<Kind | 'all', number>> = { intra: 1, cross: 0, all: intraPercent / 100 };
  const figures = (Object.keys(shares) as (Kind | 'all')[])
    .filter((kind) => whole.has(shares[kind]))
    .map((kind) => ({
      kind,
      each: Object.entries(STATISTICS).map(([name, of]) => ({
        name,
        of: (mixture: Mixture) => of(mixture, shares[kind]),
        drawn: new Float64Array(resamples),
      })),
    }));
  const flat = figures.flatMap(({ each }) => each);
  for (let i = 0; i < resamples; i++) {
    const mixture = source.draw(random);
    for (const { of, drawn } of flat) drawn[i] = of(mixture);
  }
  const tail = tails(Math.min(...observations.map((runs) => runs.length)));
  return Object.fromEntries(
    figures.map(({ kind, each }) => [
      kind,
      Object.fromEntries(each.map(({ name, of, drawn }) => [name, interval(of(whole), drawn, tail)])),
    ]),
  );
}

/** What the resamples span but for a share `tail` of them at each end. */
export function interval(value: number, drawn: ArrayLike<number>, tail: number): Interval {
  return { value, low: quantile(drawn, tail), high: quantile(drawn, 1 - tail) };
}

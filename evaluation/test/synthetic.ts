import type { Random } from '@yilian/testbed/random';
import type { Observations, Run } from '../src/statistics/index.ts';

export interface Shape {
  readonly intraMs: number;
  readonly crossMs: number;
  readonly runs?: number;
  readonly requests?: number;
  /** Spread of what all requests of a run have in common. */
  readonly runEffect?: number;
  /** Spread within a run, of the logarithm. */
  readonly sigma?: number;
}

/** Runs whose latencies are log-normal about known means, each run as a whole somewhat faster or slower. */
export function measured(random: Random, shape: Shape): Observations {
  const { intraMs, crossMs, runs = 10, requests = 30, runEffect = 0.06, sigma = 0.3 } = shape;
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const around = (mean: number) =>
    Float64Array.from({ length: requests }, () => mean * Math.exp(sigma * normal() - sigma ** 2 / 2));
  const run = (): Run => {
    const mood = 1 + runEffect * normal();
    return { intra: around(mood * intraMs), cross: around(mood * crossMs) };
  };
  return [Array.from({ length: runs }, run)];
}

/** As if each request had been a run of its own. */
export function torn(observations: Observations): Observations {
  return observations.map((runs) =>
    runs.flatMap(({ intra, cross }) =>
      Array.from(intra, (_, i) => ({ intra: intra.slice(i, i + 1), cross: cross.slice(i, i + 1) })),
    ),
  );
}

import type { Crossover, Metric, Verdict } from '../results.ts';
import { interval, RESAMPLES, type ResampleOptions } from './intervals.ts';
import { lead } from './lead.ts';
import type { Mixture } from './mixture.ts';
import type { Observations } from './observations.ts';
import { Resamples } from './resamples.ts';
import { tails } from './tails.ts';

/** Least share of the resamples that must agree before a verdict is settled and p* has an interval. */
export const AGREEMENT = 0.95;

/** Which bound of the lead p* is. */
const CROSSING = { always: undefined, above: 'from', never: undefined, below: 'until' } as const;

/**
 * What each metric compares, less being better. Throughput is that of the processors: a query of a kind costs so many
 * milliseconds of them (the observations are then processor milliseconds, not latencies), so P processors carry
 * 1000·P / (p·intra + (1−p)·cross) queries in a second, the harmonic mixture of what they carry of each kind alone.
 * Of two schemes on the same processors the one with the smaller mean cost carries more.
 */
const COMPARED: Readonly<Record<Metric, (mixture: Mixture, intraShare: number) => number>> = {
  mean: (mixture, intraShare) => mixture.mean(intraShare),
  median: (mixture, intraShare) => mixture.quantile(0.5, intraShare),
  p99: (mixture, intraShare) => mixture.quantile(0.99, intraShare),
  throughput: (mixture, intraShare) => mixture.mean(intraShare),
};

/**
 * From which share of queries that stay in their region ours is ahead. The two schemes are resampled apart.
 *
 * For the mean p* = dx / (dx + di), with dx what ours takes more for a cross query and di what it saves on an intra one.
 * Where di may be nought the ratio's confidence set is not bounded (Fieller, "Some problems in interval estimation",
 * 1954), and whatever two percentiles say is noise. So p* has an interval only if the verdict puts it between the ends
 * and 95 % of the resamples agree; those that do not count with the end they stand for.
 *
 * @throws RangeError unless both kinds were measured of both
 */
export function crossover(
  ours: Observations,
  theirs: Observations,
  metric: Metric,
  { random, resamples = RESAMPLES }: ResampleOptions,
): Pick<Crossover, 'metric' | 'verdict' | 'verdicts' | 'crossover' | 'resamples'> {
  const [own, other] = [new Resamples(ours), new Resamples(theirs)];
  if (![own, other].every((source) => source.whole().has(0.5)))
    throw new RangeError('a kind of query was not measured');
  const of = COMPARED[metric];
  const compare = (a: Mixture, b: Mixture) => lead((intraShare) => of(a, intraShare) - of(b, intraShare));
  const whole = compare(own.whole(), other.whole());
  const drawn = Array.from({ length: resamples }, () => compare(own.draw(random), other.draw(random)));
  const share = (verdict: Verdict) => drawn.filter((each) => each.verdict === verdict).length / resamples;
  const verdicts = { always: share('always'), above: share('above'), never: share('never'), below: share('below') };
  const verdict = (Object.keys(verdicts) as Verdict[]).reduce((a, b) => (verdicts[b] > verdicts[a] ? b : a));
  const isAgreed = whole.verdict === verdict && verdicts[verdict] >= AGREEMENT;
  const end = isAgreed ? CROSSING[verdict] : undefined;
  return {
    metric,
    verdict,
    verdicts,
    ...(end && {
      crossover: interval(
        100 * whole[end],
        drawn.map((each) => 100 * each[end]),
        tails([...ours, ...theirs].flat().length),
      ),
    }),
    resamples,
  };
}

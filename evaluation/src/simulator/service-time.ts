import type { Random } from '@yilian/testbed/random';

/** How long a piece of work takes whose mean is known: always as long, or exponential, as processors that do other things too. */
export type ServiceTimes = 'constant' | 'exponential';

/** Draws a time from its mean, milliseconds. */
export type Draw = (meanMs: number) => number;

export function draws(times: ServiceTimes, random: Random): Draw {
  return times === 'constant' ? (meanMs) => meanMs : (meanMs) => exponential(meanMs, random);
}

export function exponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random.next());
}

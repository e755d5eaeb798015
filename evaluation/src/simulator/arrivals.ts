import type { Random } from '@yilian/testbed/random';
import type { EventQueue } from './event-queue.ts';
import { exponential } from './service-time.ts';

/**
 * Share of a day’s visits in each hour, relative to the others (assumption: outpatient hours from 8 to 17, a peak before noon and a
 * smaller one after lunch).
 */
const HOURS = [2, 1, 1, 1, 1, 2, 5, 14, 24, 26, 22, 14, 8, 12, 20, 18, 14, 10, 7, 6, 5, 4, 3, 2] as const;
const PER_HOUR = HOURS.reduce((sum, share) => sum + share, 0) / HOURS.length;

/** The busiest hour beside the mean one. */
export const PEAK_TO_MEAN = Math.max(...HOURS) / PER_HOUR;

export interface ArrivalOptions {
  /** Mean over a day, or the rate throughout where there is no day. */
  readonly perSecond: number;
  /** Arrivals stop then. */
  readonly untilMs: number;
  /** Length of a day whose hours differ; shorter than a real one where queues have forgotten an hour long before it ends. */
  readonly dayMs?: number;
}

/** Calls `arrive` at the times of a Poisson process, without waiting for anybody’s answer. */
export function arrivals(events: EventQueue, random: Random, options: ArrivalOptions, arrive: () => void): void {
  const { perSecond, untilMs, dayMs } = options;
  if (perSecond <= 0) return;
  const most = dayMs === undefined ? 1 : PEAK_TO_MEAN;
  const next = (): void => {
    const inMs = exponential(1000 / (perSecond * most), random);
    if (events.now + inMs >= untilMs) return;
    events.after(inMs, () => {
      // Of arrivals at the peak’s rate those are kept that the hour has (Lewis and Shedler’s thinning).
      if (dayMs === undefined || random.next() * most < intensity(events.now, dayMs)) arrive();
      next();
    });
  };
  next();
}

/** Of an hour, relative to the mean one. */
function intensity(atMs: number, dayMs: number): number {
  const hour = Math.floor(((atMs % dayMs) / dayMs) * HOURS.length);
  return (HOURS[hour] as number) / PER_HOUR;
}

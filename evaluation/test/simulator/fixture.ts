import { Random } from '@yilian/testbed/random';
import { type Costs, DOCUMENTED_COSTS } from '../../src/simulator/costs.ts';
import { EventQueue } from '../../src/simulator/event-queue.ts';
import { uniform } from '../../src/simulator/geography.ts';
import type { Ground } from '../../src/simulator/ground.ts';
import { Links } from '../../src/simulator/link.ts';
import { Machines } from '../../src/simulator/machine.ts';
import type { Load, Scenario } from '../../src/simulator/scenario.ts';
import type { SchemeId } from '../../src/simulator/schemes.ts';

/** Nothing costs anything, but what is given. */
export function only(costs: Partial<Costs>): Costs {
  const nothing = Object.fromEntries(Object.keys(DOCUMENTED_COSTS).map((name) => [name, 0]));
  return { ...(nothing as Record<keyof Costs, number>), ...costs };
}

interface Conditions {
  readonly scheme: SchemeId;
  readonly regions: number;
  readonly rttMs?: number;
  readonly cutMs?: number;
  readonly intraPercent: number;
  readonly load: Partial<Load>;
}

/** Equal regions at equal distances, of machines with one core. */
export function scenario({ scheme, regions, rttMs = 30, cutMs = 30, intraPercent, load }: Conditions): Scenario {
  return {
    title: scheme,
    titleZh: scheme,
    scheme,
    geography: uniform(regions, rttMs),
    referrals: { patients: 100_000, skew: 0, intraPercent, distanceExponent: 0 },
    regional: {
      organisations: 3,
      endorsements: 2,
      threshold: 2,
      orderers: 1,
      cut: { ms: cutMs, transactions: 1e6, bytes: 1e9 },
    },
    load: {
      perSecond: 1,
      writesPerSecond: 0,
      newPatients: 0,
      meanToSimulated: 1,
      warmUpMs: 0,
      durationMs: 60_000,
      ...load,
    },
    network: { withinMs: 0, mbitPerSecond: 200, coldShare: 0 },
    placement: { cores: 1, shared: false, restShare: 0 },
    serviceTimes: 'constant',
    recordBytes: 200_000,
    proxiesAt: 'asking',
    tellsWhen: 'asked',
    batchMs: 10_000,
    checkpointMs: 5000,
  };
}

/** Bare ground, on which nothing stands yet. */
export function ground(costs: Costs, { rttMs = 30, cores = 1 }: { rttMs?: number; cores?: number } = {}): Ground {
  const events = new EventQueue();
  return {
    events,
    links: new Links(events, {
      places: 4,
      rttMs: () => rttMs,
      withinMs: 0,
      mbitPerSecond: 200,
      coldShare: 0,
      random: new Random(1),
    }),
    machines: new Machines(events, { cores, shared: false, restShare: 0 }),
    costs,
    draw: (meanMs) => meanMs,
  };
}

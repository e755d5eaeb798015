import { Random } from '@yilian/testbed/random';
import type { Simulation } from '../results.ts';
import { mean, quantile } from '../statistics/index.ts';
import { arrivals } from './arrivals.ts';
import type { Costs } from './costs.ts';
import { EventQueue } from './event-queue.ts';
import type { Geography } from './geography.ts';
import type { Ground } from './ground.ts';
import { Links } from './link.ts';
import { Machines } from './machine.ts';
import { Referrals } from './referrals.ts';
import type { Scenario } from './scenario.ts';
import { topologyOf } from './schemes.ts';
import { draws } from './service-time.ts';
import { diskOf, indexBytes, type MachinesNeeded, machinesNeeded, type Observed } from './sizing.ts';
import type { Tally } from './station.ts';
import type { Topology } from './topology.ts';

/** Orderers of a chain that many regions share, the leader’s among them. */
const SHARED_ORDERERS = 5;

/** A run, with more than its summary. */
export interface Run {
  readonly asked: number;
  readonly answered: number;
  /** From the question to the opened record, milliseconds, by kind; those of the warm-up are left out. */
  readonly latencies: { readonly intra: readonly number[]; readonly cross: readonly number[] };
  /** Questions answered within the time that counts, each second. */
  readonly goodput: number;
  readonly events: number;
  readonly bytesBetween: number;
  readonly intraByRegion: readonly number[];
  readonly stations: readonly Readonly<{ name: string; tally: Tally }>[];
  readonly machines: MachinesNeeded;
  /** A year’s, of the largest peer and of all. */
  readonly disk: { readonly perPeer: number; readonly all: number };
}

/** Runs a scenario; the same seed gives the same result, and the same questions whatever the scheme. */
export function run(scenario: Scenario, costs: Costs, seed: number): Run {
  const { geography, load, placement, network, regional } = scenario;
  const asking = new Random(seed);
  const publishing = new Random(asking.integer(0, 2 ** 32 - 1));
  const serving = new Random(asking.integer(0, 2 ** 32 - 1));
  const events = new EventQueue();
  const regions = geography.regions.length;
  const links = new Links(events, { places: regions, rttMs: geography.rttMs, ...network, random: serving });
  const machines = new Machines(events, placement);
  const ground = { events, links, machines, costs, draw: draws(scenario.serviceTimes, serving) };
  const shared = sharedOrderers(geography);
  const built = topologyOf(scenario.scheme, ground, {
    ...regional,
    regions,
    capital: shared[0] ?? 0,
    mainOrderers: shared,
    nationalOrderers: shared,
    proxiesAt: scenario.proxiesAt,
    tellsWhen: scenario.tellsWhen,
    batchMs: scenario.batchMs,
    checkpointMs: scenario.checkpointMs,
  });
  const referrals = new Referrals(geography, scenario.referrals);
  const endMs = load.warmUpMs + load.durationMs;
  const latencies = { intra: [] as number[], cross: [] as number[] };
  const counts = { asked: 0, answered: 0, inTime: 0 };
  const day = load.dayMs === undefined ? {} : { dayMs: load.dayMs };

  arrivals(events, asking, { perSecond: load.perSecond, untilMs: endMs, ...day }, () => {
    const question = referrals.next(asking);
    const kind = question.home === question.asking ? 'intra' : 'cross';
    const askedAt = events.now;
    counts.asked++;
    const opened = (): void => {
      counts.answered++;
      if (askedAt >= load.warmUpMs) latencies[kind].push(events.now - askedAt);
      if (events.now >= load.warmUpMs && events.now < endMs) counts.inTime++;
    };
    built.query(question, scenario.recordBytes, () => machines.atDoctor(costs.openMs, opened));
  });
  arrivals(events, publishing, { perSecond: load.writesPerSecond, untilMs: endMs, ...day }, () => {
    const { home } = referrals.next(publishing);
    built.publish(home, publishing.next() < load.newPatients);
  });

  const observed = observedBetween(ground, built, load.warmUpMs, endMs);
  events.run();

  return {
    asked: counts.asked,
    answered: counts.answered,
    latencies,
    goodput: counts.inTime / (load.durationMs / 1000),
    events: events.handled,
    bytesBetween: links.bytesBetween,
    intraByRegion: referrals.intraByRegion,
    stations: machines.stations.map(({ name, tally }) => ({ name, tally })),
    machines: machinesNeeded(machines, observed(), regional.organisations * regions),
    disk: diskOf(built.chains, observed(), load, costs),
  };
}

/** A run as it is reported. */
export function simulate(scenario: Scenario, costs: Costs, seed: number): Simulation {
  const { title, titleZh, scheme, geography, referrals, load } = scenario;
  const { latencies, machines, disk, intraByRegion } = run(scenario, costs, seed);
  const all = [...latencies.intra, ...latencies.cross];
  return {
    title,
    titleZh,
    scheme,
    regions: geography.regions.length,
    patients: referrals.patients,
    queriesPerSecond: load.perSecond,
    intraPercent: (100 * latencies.intra.length) / all.length,
    intraByRegion: Object.fromEntries(
      geography.regions.map(({ name }, place) => [name, intraByRegion[place] as number]),
    ),
    meanMs: mean(all),
    p99Ms: quantile(all, 0.99),
    ...machines,
    diskPerYearBytes: disk.all,
    diskPerPeerBytes: disk.perPeer,
    indexBytes: indexBytes(scenario, costs),
  };
}

/** The first region is the capital and has the leader; the largest others follow, as many as make an odd number. */
function sharedOrderers({ regions }: Geography): readonly number[] {
  const others = regions.map((_, place) => place).slice(1);
  const size = (place: number): number => regions[place]?.millions ?? 0;
  const followers = others.toSorted((one, other) => size(other) - size(one)).slice(0, SHARED_ORDERERS - 1);
  return [0, ...(followers.length % 2 === 0 ? followers : followers.slice(0, -1))];
}

/** What machines, lines and chains did between two times; to be read when the run is over. */
function observedBetween(
  { events, links, machines }: Ground,
  built: Topology,
  fromMs: number,
  toMs: number,
): () => Observed {
  const observe = () => ({
    work: machines.stations.map(({ tally }) => tally.workMs),
    lines: links.sendingMs,
    chains: built.chains.map(({ bytes }) => bytes),
  });
  const seen: ReturnType<typeof observe>[] = [];
  for (const atMs of [fromMs, toMs]) events.after(atMs, () => seen.push(observe()));
  return () => {
    const [first, last] = seen;
    if (first === undefined || last === undefined) throw new RangeError('the run has not ended');
    return {
      durationMs: toMs - fromMs,
      work: last.work.map((workMs, station) => workMs - (first.work[station] ?? 0)),
      lineMs: last.lines.reduce((most, sendingMs, line) => Math.max(most, sendingMs - (first.lines[line] ?? 0)), 0),
      chains: last.chains.map(({ all, steady }, chain) => ({
        all: all - (first.chains[chain]?.all ?? 0),
        steady: steady - (first.chains[chain]?.steady ?? 0),
      })),
    };
  };
}

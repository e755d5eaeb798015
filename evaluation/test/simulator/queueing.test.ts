import { Random } from '@yilian/testbed/random';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrivals, PEAK_TO_MEAN } from '../../src/simulator/arrivals.ts';
import { EventQueue, quorum } from '../../src/simulator/event-queue.ts';
import { Links } from '../../src/simulator/link.ts';
import { draws, exponential, type ServiceTimes } from '../../src/simulator/service-time.ts';
import { Station } from '../../src/simulator/station.ts';

const RUNS = 30;
const SERVICE_MS = 10;

describe('a station under Poisson arrivals', () => {
  test.each<{ queue: string; servers: number; load: number; times: ServiceTimes; expectedMs: number }>([
    { queue: 'M/M/1', servers: 1, load: 0.5, times: 'exponential', expectedMs: (SERVICE_MS * 0.5) / (1 - 0.5) },
    { queue: 'M/M/1', servers: 1, load: 0.8, times: 'exponential', expectedMs: (SERVICE_MS * 0.8) / (1 - 0.8) },
    { queue: 'M/D/1', servers: 1, load: 0.5, times: 'constant', expectedMs: (SERVICE_MS * 0.5) / 2 / (1 - 0.5) },
    { queue: 'M/D/1', servers: 1, load: 0.8, times: 'constant', expectedMs: (SERVICE_MS * 0.8) / 2 / (1 - 0.8) },
    { queue: 'M/M/4', servers: 4, load: 0.8, times: 'exponential', expectedMs: erlangWaitMs(4, 0.8) },
    { queue: 'M/M/16', servers: 16, load: 0.9, times: 'exponential', expectedMs: erlangWaitMs(16, 0.9) },
  ])('$queue at a load of $load makes them wait as theory says', ({ servers, load, times, expectedMs }) => {
    const waits = Array.from({ length: RUNS }, (_, seed) => {
      const { waitedMs, served } = queue(seed, servers, load, times).tally;
      return waitedMs / served;
    });
    const average = waits.reduce((sum, wait) => sum + wait, 0) / RUNS;
    const variance = waits.reduce((sum, wait) => sum + (wait - average) ** 2, 0) / (RUNS - 1);
    const error = Math.sqrt(variance / RUNS);
    expect(error / expectedMs, 'so many runs tell a difference of some percent').toBeLessThan(0.025);
    // Three standard errors: 99.7 %.
    expect(Math.abs(average - expectedMs)).toBeLessThan(3 * error);
  });

  test('holds as many as arrive in the time that one stays (Little)', () => {
    const { presentMs, sojournMs, arrived, served } = queue(7, 3, 0.9, 'exponential').tally;
    expect(served).toBe(arrived);
    expect(presentMs / sojournMs).toBeCloseTo(1, 9);
  });

  test('gives each job its whole service, first come first served', () => {
    const events = new EventQueue();
    const station = new Station(events, 'two', 2);
    const ended: [string, number][] = [];
    for (const [name, workMs] of [
      ['a', 10],
      ['b', 4],
      ['c', 3],
      ['d', 5],
    ] as const)
      station.serve(workMs, () => ended.push([name, events.now]));
    events.run();
    expect(ended).toEqual([
      ['b', 4],
      ['c', 7],
      ['a', 10],
      ['d', 12],
    ]);
    expect(station.tally).toMatchObject({ workMs: 22, waitedMs: 4 + 7 });
  });
});

test('a station that other things keep busy for a fifth of the time takes a quarter longer, and was asked for no more', () => {
  const events = new EventQueue();
  const station = new Station(events, 'shared', 1, 0.2);
  const ended: number[] = [];
  for (const workMs of [10, 4]) station.serve(workMs, () => ended.push(events.now));
  events.run();
  expect(ended).toEqual([12.5, 17.5]);
  expect(station.tally).toMatchObject({ workMs: 14, sojournMs: 30 });
});

describe('events', () => {
  test('happen in the order of their times, and of their scheduling at the same time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (delays) => {
        const events = new EventQueue();
        const happened: [number, number][] = [];
        for (const [index, delayMs] of delays.entries())
          events.after(delayMs, () => {
            expect(events.now).toBe(delayMs);
            happened.push([delayMs, index]);
          });
        events.run();
        const expected = delays.map((delayMs, index): [number, number] => [delayMs, index]);
        expect(happened).toEqual(expected.toSorted(([one, first], [other, second]) => one - other || first - second));
      }),
    );
  });

  test('may cause others, which happen among those that are left', () => {
    const events = new EventQueue();
    const happened: string[] = [];
    events.after(1, () => {
      happened.push('first');
      events.after(1, () => happened.push('caused'));
    });
    events.after(3, () => happened.push('last'));
    events.run();
    expect(happened).toEqual(['first', 'caused', 'last']);
    expect(events.handled).toBe(3);
  });

  test('a quorum is called once, with the last that it needs', () => {
    let called = 0;
    const enough = quorum(2, () => {
      called++;
    });
    const after = [1, 2, 3].map(() => {
      enough();
      return called;
    });
    expect(after).toEqual([0, 1, 1]);
  });
});

describe('a link', () => {
  const options = { places: 2, rttMs: () => 30, withinMs: 1, mbitPerSecond: 8, coldShare: 0, random: new Random(1) };

  test('sends one thing after another, and lets the other direction be', () => {
    const events = new EventQueue();
    const links = new Links(events, options);
    const arrived: [string, number][] = [];
    const at = (name: string) => () => arrived.push([name, events.now]);
    links.send(0, 1, 10_000, at('first'));
    links.send(0, 1, 5000, at('second'));
    links.send(1, 0, 1000, at('back'));
    links.send(1, 1, 1e9, at('within'));
    events.run();
    expect(arrived).toEqual([
      ['within', 0.5],
      ['back', 16],
      ['first', 25],
      ['second', 30],
    ]);
    expect(links.bytesBetween).toBe(16_000);
  });

  test('over which something is fetched opens a connection in so many of the cases, a round trip longer, and none within a place', () => {
    const events = new EventQueue();
    const links = new Links(events, { ...options, coldShare: 0.3 });
    const took = (to: number): Promise<number>[] =>
      Array.from({ length: 2000 }, () => {
        const { promise, resolve } = Promise.withResolvers<number>();
        links.fetch(0, to, 0, 0, () => resolve(events.now));
        return promise;
      });
    const [between, within] = [took(1), took(0)];
    events.run();
    return Promise.all([Promise.all(between), Promise.all(within)]).then(([away, here]) => {
      expect(new Set(away)).toEqual(new Set([30, 60]));
      expect(away.filter((ms) => ms === 60).length / away.length).toBeCloseTo(0.3, 1);
      expect(new Set(here)).toEqual(new Set([1]));
    });
  });
});

describe('arrivals', () => {
  test('come as often as asked for, in a day too, and follow its hours', () => {
    const hours = Array.from({ length: 24 }, () => 0);
    const events = new EventQueue();
    const dayMs = 240_000;
    arrivals(events, new Random(3), { perSecond: 100, untilMs: 10 * dayMs, dayMs }, () => {
      hours[Math.floor(((events.now % dayMs) / dayMs) * 24)]! += 1;
    });
    events.run();
    const all = hours.reduce((sum, count) => sum + count, 0);
    expect(all / (10 * 240 * 100)).toBeCloseTo(1, 2);
    expect((Math.max(...hours) * 24) / all).toBeCloseTo(PEAK_TO_MEAN, 1);
    expect(hours[9]).toBe(Math.max(...hours));
  });

  test('have gaps that are exponential', () => {
    const events = new EventQueue();
    const times: number[] = [];
    arrivals(events, new Random(5), { perSecond: 1000, untilMs: 100_000 }, () => times.push(events.now));
    events.run();
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    for (const limitMs of [0.1, 0.5, 1, 2, 4])
      expect(gaps.filter((gap) => gap > limitMs).length / gaps.length).toBeCloseTo(Math.exp(-limitMs), 2);
  });
});

function queue(seed: number, servers: number, load: number, times: ServiceTimes): Station {
  const events = new EventQueue();
  // Seeds beside each other are far apart in the generator’s cycle.
  const random = new Random(seed * 0x9e3779b9);
  const draw = draws(times, random);
  const station = new Station(events, 'station', servers);
  let left = 40_000;
  const next = (): void => {
    left--;
    station.serve(draw(SERVICE_MS), () => undefined);
    if (left > 0) events.after(exponential(SERVICE_MS / (load * servers), random), next);
  };
  next();
  events.run();
  return station;
}

/** Mean wait in M/M/c by Erlang’s C formula, milliseconds. */
function erlangWaitMs(servers: number, load: number): number {
  const offered = load * servers;
  const blocked = Array.from({ length: servers }, (_, index) => index + 1).reduce(
    (previous, count) => (offered * previous) / (count + offered * previous),
    1,
  );
  const waits = blocked / (1 - load * (1 - blocked));
  return (waits * SERVICE_MS) / (servers * (1 - load));
}

import { describe, expect, it } from 'vitest';
import { calibrationsOf, drift, type Measured, measureNetwork } from '../../src/network/calibration.ts';
import { ClockWatch } from '../../src/network/clock-watch.ts';
import { Network } from '../../src/network/network.ts';
import { uniform } from './uniform.ts';

const measured = (change: Partial<Measured> = {}): Measured => ({
  from: 'north',
  to: 'south',
  askedMs: 30,
  rttMs: 30.5,
  mbitPerSecond: 150,
  ...change,
});

describe('a calibration', () => {
  it('measures each pair of places', async () => {
    const shared = { jitter: 0, mbit: 80, loss: 0 };
    await using network = await Network.open({
      places: ['north', 'south', 'west'],
      distances: [
        { between: ['north', 'south'], rttMs: 10, ...shared },
        { between: ['north', 'west'], rttMs: 20, ...shared },
        { between: ['south', 'west'], rttMs: 30, ...shared, mbit: 40 },
      ],
      random: uniform(1),
    });
    const pairs = await measureNetwork(network, { pings: 20, transferBytes: 500_000 });
    expect(pairs.map(({ from, to, askedMs }) => [from, to, askedMs])).toEqual([
      ['north', 'south', 10],
      ['north', 'west', 20],
      ['south', 'west', 30],
    ]);
    const rates = [80, 80, 40];
    for (const [index, { rttMs, askedMs, mbitPerSecond }] of pairs.entries()) {
      expect(rttMs).toBeGreaterThanOrEqual(askedMs);
      expect(mbitPerSecond).toBeGreaterThan(1);
      expect(mbitPerSecond).toBeLessThanOrEqual(rates[index]!);
    }
  });

  it('is written down from both measurements', () => {
    expect(calibrationsOf([measured()], [measured({ rttMs: 31, mbitPerSecond: 140 })])).toEqual([
      { from: 'north', to: 'south', askedMs: 30, beforeMs: 30.5, afterMs: 31, mbitPerSecond: 140 },
    ]);
    expect(() => calibrationsOf([measured()], [])).toThrow(RangeError);
  });

  it.each([
    ['a round trip a tenth longer', { rttMs: 33.5 }, 0],
    ['a round trip longer by more', { rttMs: 33.6 }, 1],
    ['a round trip that is shorter', { rttMs: 27 }, 1],
    ['a throughput that is less', { mbitPerSecond: 134 }, 1],
    ['both', { rttMs: 40, mbitPerSecond: 200 }, 2],
  ])('with %s afterwards voids', (_, change, count) => {
    const marks = drift([measured()], [measured(change)]);
    expect(marks.map(({ weight, code }) => [weight, code])).toEqual(
      Array.from({ length: count }, () => ['void', 'NETWORK_DRIFT']),
    );
  });
});

describe('the clock watch', () => {
  it('sees the wall clock jump either way, and not drift', () => {
    const now = { steady: 0, wall: 1_000_000 };
    using watch = new ClockWatch({ steady: () => now.steady, wall: () => now.wall });
    const pass = (steadyMs: number, wallMs: number) => {
      now.steady += steadyMs;
      now.wall += wallMs;
      watch.look();
    };
    for (let second = 0; second < 100; second++) pass(1000, 1000.5);
    expect(watch.clockJumps()).toEqual([]);
    pass(1000, 1500);
    pass(1000, 500);
    expect(watch.clockJumps()).toEqual([
      { weight: 'void', code: 'CLOCK_JUMP', detail: 'the wall clock jumped: +500 ms, −500 ms' },
    ]);
  });

  it('sees none where there is none', () => {
    using watch = new ClockWatch();
    expect(watch.clockJumps()).toEqual([]);
  });
});

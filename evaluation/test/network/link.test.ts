import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Distance, Link, windowBytes } from '../../src/network/link.ts';
import { uniform } from './uniform.ts';

const FAR: Distance = { rttMs: 30, jitter: 0, mbit: 8, loss: 0 };
const never = () => 0.999_999;
/** Gives these values, then that nothing is lost. */
const scripted = (...values: number[]) => {
  return () => values.shift() ?? never();
};
const LOST = 0;
const ARRIVES = never();

describe('a link', () => {
  it('takes half a round trip each way, after the time the bytes take at its rate', () => {
    const send = new Link(FAR, never).stream();
    expect(send(0, 100)).toBe(115);
    // 8 Mbit/s are 1000 bytes a millisecond.
    expect(send(5000, 200)).toBe(220);
  });

  it('lets the bytes of all streams wait for one line', () => {
    const link = new Link(FAR, never);
    const [first, second] = [link.stream(), link.stream()];
    expect(first(10_000, 0)).toBe(25);
    expect(second(10_000, 0)).toBe(35);
    expect(first(1000, 5)).toBe(36);
    expect(first(1000, 50)).toBe(66);
  });

  it('counts what is put on the line', () => {
    const link = new Link({ ...FAR, loss: 0.5 }, uniform(1));
    const [first, second] = [link.stream(), link.stream()];
    first(10_000, 0);
    second(7, 0);
    expect(link.bytes).toBe(10_007);
  });

  it.each([
    ['the last segment, for the least timeout', 30, 100, [LOST], 200],
    ['the last segment, for a round trip that is longer', 300, 100, [LOST], 300],
    ['one with more behind it, for a round trip', 30, 2000, [LOST, ARRIVES, ARRIVES], 30],
    ['one and then its retransmission, for a timeout besides', 30, 2000, [LOST, LOST, ARRIVES, ARRIVES], 230],
    ['the last segment twice, for a doubled timeout besides', 30, 100, [LOST, LOST], 600],
    ['two, for the longer of both', 30, 2000, [LOST, ARRIVES, LOST], 200],
  ])('is held up by the loss of %s', (_, rttMs, sizeBytes, draws, heldMs) => {
    const link = new Link({ ...FAR, rttMs, loss: 0.01 }, scripted(...draws));
    expect(link.stream()(sizeBytes, 0)).toBeCloseTo(sizeBytes / 1000 + rttMs / 2 + heldMs);
  });

  it('loses as many segments as asked', () => {
    const link = new Link({ ...FAR, mbit: 1e6, loss: 0.05 }, uniform(7));
    const late = Array.from({ length: 20_000 }, () => link.stream()(100, 0)).filter((due) => due > 100).length;
    expect(late / 20_000).toBeGreaterThan(0.045);
    expect(late / 20_000).toBeLessThan(0.055);
  });

  it('spreads the delay as asked, and no further than three deviations', () => {
    const link = new Link({ ...FAR, jitter: 0.1 }, uniform(3));
    const delays = Array.from({ length: 20_000 }, () => link.stream()(0, 0));
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
    const deviation = Math.sqrt(delays.reduce((sum, delay) => sum + (delay - mean) ** 2, 0) / delays.length);
    expect(mean).toBeCloseTo(15, 1);
    expect(deviation).toBeGreaterThan(1.4);
    expect(deviation).toBeLessThan(1.55);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(15 * 0.7);
    expect(Math.max(...delays)).toBeLessThanOrEqual(15 * 1.3);
  });

  it('never reorders a stream, and never hurries', () => {
    const sends = fc.array(fc.record({ size: fc.nat(100_000), pause: fc.double({ min: 0, max: 50, noNaN: true }) }));
    fc.assert(
      fc.property(sends, fc.nat(), (pieces, seed) => {
        const send = new Link({ rttMs: 40, jitter: 0.3, mbit: 100, loss: 0.1 }, uniform(seed)).stream();
        let [now, last] = [0, 0];
        for (const { size, pause } of pieces) {
          now += pause;
          const due = send(size, now);
          expect(due).toBeGreaterThanOrEqual(last);
          expect(due).toBeGreaterThanOrEqual(now + 20 * 0.1 + size / 12_500);
          last = due;
        }
      }),
    );
  });

  it.each([{ rttMs: -1 }, { rttMs: Number.NaN }, { jitter: 0.34 }, { mbit: 0 }, { loss: 1 }, { loss: -0.1 }])(
    'is not made for %j',
    (change) => {
      expect(() => new Link({ ...FAR, ...change }, never)).toThrow(RangeError);
    },
  );

  it('is filled by its window', () => {
    expect(windowBytes({ ...FAR, mbit: 200 })).toBe(30 * 25_000 + 65_536);
  });
});

import { describe, expect, it } from 'vitest';
import { HERE, nationalProfile, thinProfile } from '../../src/network/chain-profile.ts';

const uniform = (from: string, to: string) => (from === to ? 0 : 40);
const legsMs = (places: readonly string[], endorseRemotely: boolean) =>
  places.map((place) => {
    const profile = nationalProfile({ places, rttMs: uniform, place, leader: 'b', endorseRemotely });
    return profile.endorseMs + profile.submitMs + profile.orderMs + profile.deliveryMs;
  });
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('one chain over all places', () => {
  it.each([
    [['a', 'b'], 1.5],
    [['a', 'b', 'c', 'd'], 1.75],
    [['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 1.875],
  ])(
    'takes over %s (1 − 1/R) + 1 round trips for a commit on average, one more when endorsed remotely',
    (places, k) => {
      expect(mean(legsMs(places, false)) / 40).toBeCloseTo(k);
      expect(mean(legsMs(places, true)) / 40).toBeCloseTo(k + 1);
    },
  );

  it('in one place takes none', () => {
    expect(nationalProfile({ places: ['b'], rttMs: uniform, place: 'b', leader: 'b', endorseRemotely: true })).toEqual(
      HERE,
    );
  });

  it('waits for the nearest majority and the nearest endorser', () => {
    const at = { a: 0, b: 10, c: 30, d: 70, e: 150 };
    const rttMs = (from: string, to: string) => Math.abs(at[from as 'a'] - at[to as 'a']);
    const places = Object.keys(at);
    expect(nationalProfile({ places, rttMs, place: 'd', leader: 'a', endorseRemotely: true })).toEqual({
      requestMs: 0,
      evaluateMs: 0,
      endorseMs: 40,
      submitMs: 35,
      orderMs: 30,
      deliveryMs: 35,
    });
  });

  it('elsewhere is a round trip away with every call', () => {
    expect(thinProfile(30)).toEqual({ ...HERE, requestMs: 30 });
  });
});

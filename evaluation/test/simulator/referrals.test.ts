import { Random } from '@yilian/testbed/random';
import { describe, expect, test } from 'vitest';
import { cities, provinces, uniform } from '../../src/simulator/geography.ts';
import { Referrals } from '../../src/simulator/referrals.ts';
import { Zipf } from '../../src/simulator/zipf.ts';

const DRAWS = 200_000;

describe('Zipf', () => {
  test.each([0, 0.8, 1, 1.2])('with exponent %d gives ranks their shares', (exponent) => {
    const count = 1000;
    const zipf = new Zipf(count, exponent);
    const random = new Random(1);
    const seen = Array.from({ length: count + 1 }, () => 0);
    for (let draw = 0; draw < DRAWS; draw++) seen[zipf.rank(random)]! += 1;
    const weights = Array.from({ length: count }, (_, index) => (index + 1) ** -exponent);
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    // Pearson’s χ² over the first ten and all others: 10 degrees of freedom, 0.999 quantile 29.6.
    const firsts = weights.slice(0, 10).map((weight) => weight / all);
    const shares = [...firsts, 1 - firsts.reduce((sum, share) => sum + share, 0)];
    const counts = [...seen.slice(1, 11), seen.slice(11).reduce((sum, value) => sum + value, 0)];
    const chiSquare = shares.reduce((sum, share, index) => {
      const expected = share * DRAWS;
      return sum + ((counts[index] ?? 0) - expected) ** 2 / expected;
    }, 0);
    expect(chiSquare).toBeLessThan(29.6);
    expect(seen[0]).toBe(0);
  });

  test('of a hundred million stays within them', () => {
    const zipf = new Zipf(1e8, 0.99);
    const random = new Random(2);
    const ranks = Array.from({ length: 10_000 }, () => zipf.rank(random));
    expect(Math.min(...ranks)).toBe(1);
    expect(Math.max(...ranks)).toBeLessThanOrEqual(1e8);
    expect(Math.max(...ranks)).toBeGreaterThan(1e7);
  });
});

describe('provinces', () => {
  const geography = provinces();

  test('are 31, add up to the census, and lie where they lie', () => {
    const { regions, distanceKm, rttMs } = geography;
    const place = (name: string) => regions.findIndex((region) => region.name === name);
    expect(regions).toHaveLength(31);
    const all = regions.reduce((sum, { millions }) => sum + millions, 0);
    // The communiqué’s sum over provinces is 1409.8 million.
    expect(Math.abs(all - 1409.8)).toBeLessThan(5);
    expect(distanceKm(place('Beijing'), place('Guangdong'))).toBeCloseTo(1890, -2);
    expect(distanceKm(place('Beijing'), place('Tianjin'))).toBeCloseTo(110, -1);
    expect(rttMs(place('Beijing'), place('Guangdong'))).toBeCloseTo(30, -1);
    expect(rttMs(3, 9)).toBe(rttMs(9, 3));
  });

  test('send patients to hubs, whose questions are about their own far less', () => {
    const referrals = new Referrals(geography, { patients: 1e8, skew: 0.8, intraPercent: 95, distanceExponent: 1 });
    const share = Object.fromEntries(
      geography.regions.map(({ name }, place) => [name, referrals.intraByRegion[place]]),
    );
    const lowest = Object.keys(share)
      .toSorted((one, other) => share[one]! - share[other]!)
      .slice(0, 3);
    expect(lowest).toContain('Beijing');
    expect(share['Henan']).toBeGreaterThan(share['Beijing']!);
  });

  test('are asked about as their inhabitants are many, and stay as often as asked for', () => {
    const referrals = new Referrals(geography, { patients: 1e8, skew: 0.8, intraPercent: 95, distanceExponent: 1 });
    const random = new Random(4);
    const homes = geography.regions.map(() => 0);
    const asked = geography.regions.map(() => ({ all: 0, own: 0 }));
    for (let draw = 0; draw < DRAWS; draw++) {
      const { home, asking } = referrals.next(random);
      homes[home]! += 1;
      asked[asking]!.all += 1;
      if (home === asking) asked[asking]!.own += 1;
    }
    const own = asked.reduce((sum, region) => sum + region.own, 0);
    expect((100 * own) / DRAWS).toBeCloseTo(95, 0);
    // The patient who is asked about most is one question in 200, wherever he lives.
    for (const [place, { millions, name }] of geography.regions.entries())
      expect(Math.abs(homes[place]! / DRAWS - millions / 1411), name).toBeLessThan(0.01);
    for (const [place, { all, own: stayed }] of asked.entries())
      expect(Math.abs((100 * stayed) / all - referrals.intraByRegion[place]!)).toBeLessThan(6);
  });
});

test.each([0, 37, 100])('%d % intra of equal regions is that in each', (intraPercent) => {
  const options = { patients: 1e6, skew: 0, intraPercent, distanceExponent: 0 };
  for (const share of new Referrals(uniform(4, 30), options).intraByRegion) expect(share).toBeCloseTo(intraPercent, 6);
});

test('cities follow Zipf’s law and add up to the country', () => {
  const { regions, rttMs } = cities(300);
  expect(regions).toHaveLength(300);
  expect(regions.reduce((sum, { millions }) => sum + millions, 0)).toBeCloseTo(1410, 6);
  expect(regions[0]!.millions / regions[9]!.millions).toBeCloseTo(10, 6);
  expect(rttMs(0, 1)).toBeGreaterThan(2);
  expect(rttMs(0, 1)).toBeLessThan(60);
});

import { describe, expect, test } from 'vitest';
import { DOCUMENTED_COSTS } from '../../src/simulator/costs.ts';
import { overCities, overProvinces } from '../../src/simulator/scenario.ts';
import { simulate } from '../../src/simulator/simulate.ts';
import { only, scenario } from './fixture.ts';

const YEAR_S = 365 * 86_400;

describe('machines', () => {
  const load = { perSecond: 100, durationMs: 60_000 };

  test('of a kind are as many as keep the busiest below 60 %', () => {
    // One region: each question keeps the relay 12 ms, so that one core is asked for 1.2.
    const { machinesByRole, utilisation, carries } = simulate(
      scenario({ scheme: 'multi-channel', regions: 1, intraPercent: 100, load }),
      only({ questionMs: 12 }),
      1,
    );
    expect(utilisation).toBeCloseTo(1.2, 1);
    expect(machinesByRole).toEqual({ relay: Math.ceil(utilisation / 0.6), orderer: 1, peer: 3, proxy: 3 });
    expect(carries).toBe(true);
  });

  test('more of them relieve a peer of endorsing, and none of validating', () => {
    const peers = (endorseMs: number, validateMs: number) =>
      simulate(
        scenario({ scheme: 'multi-channel', regions: 1, intraPercent: 100, load }),
        only({ endorseMs, validateMs }),
        1,
      );
    // Two of three endorse: 0.4 beside 0.5 of blocks, where 0.1 of each machine is left for endorsing.
    const shared = peers(6, 5);
    expect(shared.carries).toBe(true);
    expect(shared.machinesByRole['peer']).toBeGreaterThanOrEqual(12);
    const bound = peers(0, 8);
    expect(bound.carries).toBe(false);
    expect(bound.machinesByRole['peer']).toBe(6);
  });
});

test('a line that is too busy is relieved by no machine', () => {
  const bytes = (decisionBytes: number) =>
    simulate(
      scenario({ scheme: 'national', regions: 2, intraPercent: 100, load: { perSecond: 100, durationMs: 20_000 } }),
      only({ decisionBytes }),
      1,
    );
  // Every block goes from the leader’s region to the other: 100 × 200 kB are 160 of 200 Mbit/s.
  const busy = bytes(200_000);
  expect(busy.utilisation).toBeCloseTo(0.8, 1);
  expect(busy.carries).toBe(false);
  expect(bytes(100_000).carries).toBe(true);
});

describe('disk', () => {
  test('is a year of what is written, on every peer', () => {
    const { diskPerPeerBytes, diskPerYearBytes } = simulate(
      scenario({ scheme: 'national', regions: 4, intraPercent: 50, load: { perSecond: 50, durationMs: 100_000 } }),
      only({ decisionBytes: 1000, diskPerChainByte: 1.2 }),
      1,
    );
    expect(diskPerPeerBytes / (50 * YEAR_S * 1000 * 1.2)).toBeCloseTo(1, 1);
    expect(diskPerYearBytes).toBeCloseTo(12 * diskPerPeerBytes, 0);
  });

  test('at night grows by what is written as often as by day, and less by the rest', () => {
    const load = { perSecond: 50, durationMs: 100_000, meanToSimulated: 0.25 };
    const disk = (bytes: Parameters<typeof only>[0]) =>
      simulate(
        scenario({ scheme: 'federation', regions: 4, intraPercent: 100, load }),
        only({ ...bytes, diskPerChainByte: 1 }),
        1,
      ).diskPerPeerBytes / YEAR_S;
    // A quarter of the questions of a quarter of the country; a checkpoint of each region every five seconds.
    const questions = disk({ decisionBytes: 1000 }) / ((50 * 0.25 * 1000) / 4);
    const checkpoints = disk({ checkpointBytes: 1000 }) / ((4 * 1000) / 5);
    // The largest of four regions has somewhat more than its share; a checkpoint begins with the next news.
    expect(questions).toBeGreaterThan(0.99);
    expect(questions).toBeLessThan(1.15);
    expect(checkpoints).toBeGreaterThan(0.9);
    expect(checkpoints).toBeLessThanOrEqual(1);
  });
});

describe('the country', () => {
  test.each(['federation', 'national'] as const)('over its provinces is carried by %s', (scheme) => {
    const result = simulate(overProvinces({ scheme, durationMs: 5000 }), DOCUMENTED_COSTS, 1);
    expect(result).toMatchObject({ scheme, regions: 31, patients: 1e8 });
    expect(Object.keys(result.intraByRegion)).toHaveLength(31);
    expect(result.p99Ms).toBeGreaterThan(result.meanMs);
    expect(result.machinesPerOrganisation).toBeCloseTo(result.machines / 93, 6);
    // A hundred million patients, 1.3 regions for each, 150 bytes.
    expect(result.indexBytes).toBe(scheme === 'federation' ? 19.5e9 : 0);
  });

  test('writes in a year what follows from its visits, one in ten with a question, and from the costs', () => {
    const { decisionBytes, askBytes, mirrorBytes, publicationBytes, announcementBytes, checkpointBytes } =
      DOCUMENTED_COSTS;
    const [questions, publications] = [9.55e8, 4.26e9];
    const regional = questions * (decisionBytes + 0.05 * (askBytes + mirrorBytes)) + publications * publicationBytes;
    // Three in a hundred publications are of a new patient; each region's head every five seconds.
    const main = 0.03 * publications * announcementBytes + (31 / 5) * YEAR_S * checkpointBytes;
    const national = questions * decisionBytes + publications * publicationBytes;
    const { diskPerChainByte } = DOCUMENTED_COSTS;
    const disk = (scheme: 'federation' | 'national') =>
      simulate(overProvinces({ scheme, durationMs: 20_000 }), DOCUMENTED_COSTS, 1).diskPerYearBytes / diskPerChainByte;
    expect(disk('federation') / (3 * regional + 31 * main)).toBeCloseTo(1, 1);
    expect(disk('national') / (93 * national)).toBeCloseTo(1, 1);
  });

  test('needs as many machines as it has parts, whose load is little beside them', () => {
    const roles = (scheme: 'federation' | 'national' | 'national-thin') => {
      const { machines, machinesByRole } = simulate(overProvinces({ scheme, durationMs: 5000 }), only({}), 1);
      expect(Object.values(machinesByRole).reduce((sum, count) => sum + count, 0)).toBe(machines);
      return machinesByRole;
    };
    expect(roles('federation')).toEqual({ relay: 31, orderer: 31 * 3 + 5, peer: 31 * 3 + 31, proxy: 31 * 3 });
    expect(roles('national')).toEqual({ relay: 31, orderer: 5, peer: 31 * 3, proxy: 31 * 3 });
    expect(roles('national-thin')).toEqual({ relay: 1, orderer: 5, peer: 3, proxy: 3 });
  });

  test('asks in a year at one visit in ten, and more in its busiest hour', () => {
    const scheme = 'multi-channel';
    const day = overProvinces({ scheme, durationMs: 60_000, span: 'day' }).load;
    const hour = overProvinces({ scheme, durationMs: 60_000 }).load;
    expect(day.perSecond * YEAR_S).toBeCloseTo(9.55e8, -3);
    expect(hour.perSecond * hour.meanToSimulated).toBeCloseTo(day.perSecond, 9);
    expect(hour.writesPerSecond * hour.meanToSimulated * YEAR_S).toBeCloseTo(4.26e9, -3);
    const every = overProvinces({ scheme, durationMs: 60_000, opening: 1 }).load;
    expect(every.perSecond / hour.perSecond).toBeCloseTo(10, 9);
  });

  test('over 300 cities is simulated at all', () => {
    const result = simulate(overCities(300, { scheme: 'federation', durationMs: 2000 }), DOCUMENTED_COSTS, 1);
    expect(result.regions).toBe(300);
    expect(result.meanMs).toBeGreaterThan(0);
  });
});

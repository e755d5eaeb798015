import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ASSUMED,
  capacityGain,
  isModelled,
  MODELLED_SCHEMES,
  type ModelledScheme,
  mixedMs,
  predict,
  predictedCrossover,
  queueMs,
  type Terms,
} from '../src/model.ts';

/** Percent from which a federation beats a rival; 0 where it always does. */
function percent(ours: ModelledScheme, rival: ModelledScheme, terms: Partial<Terms>): number | undefined {
  const all = { ...ASSUMED, ...terms };
  const predicted = predictedCrossover(predict(ours, all), predict(rival, all));
  return predicted.verdict === 'always' ? 0 : predicted.percent;
}

describe('crossovers calculated by hand before the model was written', () => {
  const slow = { rttMs: 30, cutMs: 2000 };
  /** Against the national chain with and without another region's endorsement. */
  const table: [ModelledScheme, Partial<Terms>, number, number | undefined][] = [
    ['federation-naive', { rttMs: 10 }, 83, 89],
    ['federation-naive', { rttMs: 30 }, 68, 79.5],
    ['federation-naive', { rttMs: 60 }, 59, 74],
    ['federation-naive', slow, 98, undefined],
    ['federation-sequential', { rttMs: 10 }, 68, 80],
    ['federation-sequential', { rttMs: 30 }, 35, 58],
    ['federation-sequential', { rttMs: 60 }, 11, 44],
    ['federation-sequential', slow, 96, undefined],
    // With a copy of the index in every region.
    ['federation-sequential', { rttMs: 10, awayShare: 0 }, 64, 77],
    ['federation-sequential', { rttMs: 30, awayShare: 0 }, 14, 45],
    ['federation-sequential', { rttMs: 60, awayShare: 0 }, 0, 17],
    ['federation-sequential', { ...slow, awayShare: 0 }, 96, undefined],
    ['federation', { rttMs: 10 }, 0, 20],
    ['federation', { rttMs: 30 }, 0, 0],
    ['federation', { rttMs: 60 }, 0, 0],
    ['federation', slow, 0, undefined],
  ];

  test.each(table)('%s with %o: %s %% and %s %%', (ours, terms, remote, local) => {
    expect(Math.abs(percent(ours, 'national-remote', terms)! - remote)).toBeLessThan(1);
    if (local !== undefined) expect(Math.abs(percent(ours, 'national', terms)! - local)).toBeLessThan(1);
  });

  test('payloads that outlast the commit leave the relay as the only penalty', () => {
    const terms = { payloadMs: 1000 };
    expect(percent('federation', 'national-remote', terms)).toBeCloseTo(100 * (12 / (12 + 2.75 * 30)));
    expect(percent('federation', 'national', terms)).toBeCloseTo(100 * (12 / (12 + 1.75 * 30)));
  });

  test('the federation is ahead at every ratio once d exceeds O / (k − 1)', () => {
    expect(percent('federation', 'national', { rttMs: 16.1 })).toBe(0);
    expect(percent('federation', 'national', { rttMs: 15.9 })).toBeGreaterThan(0);
    expect(percent('federation', 'national-remote', { rttMs: 6.9 })).toBe(0);
    expect(percent('federation', 'national-remote', { rttMs: 6.8 })).toBeGreaterThan(0);
  });
});

describe('the rivals and the floor', () => {
  const of = (scheme: ModelledScheme, terms: Partial<Terms> = {}) => predict(scheme, { ...ASSUMED, ...terms });

  test('a federation with everything in place takes O + read + d + C + re-encryption', () => {
    expect(of('federation')).toMatchObject({ intraMs: 58, crossMs: 100 });
  });

  test('a channel a region saves the relay and costs a second round trip', () => {
    // The body, asked for when the orderer has the decision, is there before the cut is over.
    const light = { payloadMs: 0 };
    const [ours, theirs] = [of('federation', light), of('multi-channel', light)];
    expect(theirs.intraMs).toBe(ours.intraMs);
    expect(theirs.crossMs - ours.crossMs).toBe(ASSUMED.rttMs - ASSUMED.relayMs);
    expect(predictedCrossover(ours, theirs)).toEqual({ verdict: 'always' });
    const near = { rttMs: 10, payloadMs: 0 };
    expect(predictedCrossover(of('federation', near), of('multi-channel', near))).toEqual({ verdict: 'never' });
  });

  test('a body of another channel’s is waited for once the far orderer has the decision, no longer than the cut takes', () => {
    const [quick, slow] = [{ cutMs: 20 }, { cutMs: 60 }].map((cut) => of('multi-channel', cut));
    expect(quick!.cross.find(({ name }) => name === 'fetch')?.ms).toBe(30 + 8 - 20);
    expect(slow!.cross.find(({ name }) => name === 'fetch')?.ms).toBe(0);
  });

  test('a connection that has to be opened costs a round trip wherever a hospital or vault is called', () => {
    const cold = { coldShare: 0.5, payloadMs: 0 };
    const more = (scheme: ModelledScheme) => of(scheme, cold).crossMs - of(scheme, { payloadMs: 0 }).crossMs;
    expect(more('no-chain')).toBe(15);
    expect(more('federation-naive')).toBe(15);
    // Half of the bodies come 30 ms after the cut that they would have been there with.
    expect(more('multi-channel')).toBe(15);
    // Meanwhile the commit goes round the country, or the home region brings the body along.
    expect([more('national'), more('federation')]).toEqual([0, 0]);
    expect(of('no-chain', cold).intraMs).toBe(of('no-chain', { payloadMs: 0 }).intraMs);
  });

  test('shares made where the patient is come half a round trip after a national commit, in queries across regions', () => {
    for (const scheme of ['national', 'national-remote'] as const) {
      const [here, there] = [of(scheme), of(scheme, { shareTrips: 0.5 })];
      expect(there.crossMs - here.crossMs).toBe(15);
      expect(there.intraMs).toBe(here.intraMs);
    }
  });

  test('thin clients pay two round trips on every query that does not begin in the capital', () => {
    expect(of('national-thin').intraMs - of('federation').intraMs).toBe(60);
    expect(of('national-thin', { awayShare: 0.75 }).intraMs - of('federation').intraMs).toBe(45);
    expect(of('national-thin', { awayShare: 0 }).intraMs).toBe(of('federation').intraMs);
  });

  test('an index in the capital costs the way there, for intra queries only if they too are looked up', () => {
    for (const scheme of ['central-index', 'federation-remote-index'] as const) {
      expect(of(scheme).crossMs - of('federation').crossMs).toBe(30);
      expect(of(scheme).intraMs).toBe(of('federation').intraMs);
      expect(of(scheme, { intraLookups: 1 }).intraMs - of('federation').intraMs).toBe(30);
    }
  });

  test('a scheme the model does not know is not taken for one', () => {
    expect(MODELLED_SCHEMES.every(isModelled)).toBe(true);
    expect(['constructor', 'floor', ''].some(isModelled)).toBe(false);
  });

  test('asking every region is as fast as asking the right one where each has its own processor', () => {
    const { intraMs, crossMs } = of('federation');
    expect(of('broadcast', { workMs: 33 })).toMatchObject({ intraMs, crossMs });
  });

  test('on one processor it waits for the other regions’ turns, and for the query before', () => {
    const shared = { workMs: 33, perSecond: 1.5 };
    const [ours, all] = [of('federation', shared), of('broadcast', shared)];
    // Busy with 4 × 33 ms of a query 1.5 times a second, of which half is left.
    const queueMs = ((1.5 * 132) / 1000) * (132 / 2);
    expect(all.intraMs - ours.intraMs).toBeCloseTo(queueMs, 9);
    expect(all.crossMs - ours.crossMs).toBeCloseTo(queueMs + 2 * 33, 9);
    expect(of('federation', shared)).toEqual(of('federation'));
  });

  test('without a chain only the reading, the way and the bytes are left', () => {
    expect(of('no-chain')).toMatchObject({ intraMs: 12, crossMs: 4 + 30 + 8 + 8 });
  });
});

describe('for any terms', () => {
  const ms = fc.integer({ min: 0, max: 3000 });
  const terms: fc.Arbitrary<Terms> = fc.record({
    regions: fc.constantFrom(1, 2, 4, 8, 16),
    rttMs: ms,
    commitMs: ms,
    cutMs: ms,
    readMs: ms,
    payloadMs: ms,
    reencryptMs: ms,
    relayMs: ms,
    awayShare: fc.constantFrom(0, 0.25, 0.5, 0.75, 1),
    intraLookups: fc.constantFrom(0, 1),
    coldShare: fc.constantFrom(0, 0.25, 1),
    shareTrips: fc.constantFrom(0, 0.5),
    workMs: fc.integer({ min: 0, max: 100 }),
    perSecond: fc.constantFrom(0, 1.5, 100),
  });
  const scheme = fc.constantFrom(...MODELLED_SCHEMES);

  test('phases are never negative and sum to the latency', () => {
    fc.assert(
      fc.property(scheme, terms, (id, given) => {
        const { intra, cross, intraMs, crossMs } = predict(id, given);
        expect([...intra, ...cross].every((phase) => phase.ms >= 0)).toBe(true);
        expect(intra.reduce((sum, phase) => sum + phase.ms, 0)).toBeCloseTo(intraMs);
        expect(cross.reduce((sum, phase) => sum + phase.ms, 0)).toBeCloseTo(crossMs);
      }),
    );
  });

  test('no ablation is faster than the federation, and none with a chain than the floor over connections that are kept', () => {
    const chained = MODELLED_SCHEMES.filter((id) => id !== 'no-chain');
    fc.assert(
      fc.property(fc.constantFrom(...chained), terms, (id, given) => {
        const floor = predict('no-chain', { ...given, coldShare: 0 });
        const [one, full] = [predict(id, given), predict('federation', given)];
        expect(one.intraMs).toBeGreaterThanOrEqual(floor.intraMs - 1e-9);
        expect(one.crossMs).toBeGreaterThanOrEqual(floor.crossMs - 1e-9);
        if (id.startsWith('federation')) expect(one.crossMs).toBeGreaterThanOrEqual(full.crossMs - 1e-9);
      }),
    );
  });

  test('at p* both take as long, and on its sides they differ as the verdict says', () => {
    fc.assert(
      fc.property(scheme, scheme, terms, (a, b, given) => {
        const [ours, theirs] = [predict(a, given), predict(b, given)];
        const { verdict, percent: crossing } = predictedCrossover(ours, theirs);
        const more = (at: number) => mixedMs(ours, at) - mixedMs(theirs, at);
        if (crossing === undefined) {
          for (const at of [0, 50, 100]) expect(verdict === 'always' ? more(at) : -more(at)).toBeLessThanOrEqual(1e-9);
          return;
        }
        expect(more(crossing)).toBeCloseTo(0);
        expect(verdict).toBe(more(100) < 0 ? 'above' : 'below');
      }),
    );
  });
});

describe('under load', () => {
  test('four regions carry 2 to 3.6 times, eight up to 7.3 times what one chain does', () => {
    const gains = [capacityGain(4, 0), capacityGain(4, 90), capacityGain(8, 0), capacityGain(8, 90)];
    expect(gains.map((gain) => Math.round(gain * 10) / 10)).toEqual([2, 3.6, 4, 7.3]);
  });

  test('a national chain queues at 95 % of its load where the regions hardly do', () => {
    const served = 200;
    const [one, ours] = [predict('national-remote', ASSUMED), predict('federation', ASSUMED)];
    const at = (load: number) => [
      one.crossMs + queueMs(load * served, served),
      ours.crossMs + queueMs((load * served) / capacityGain(4, 0), served),
      ours.intraMs + queueMs((load * served) / capacityGain(4, 100), served),
    ];
    const within = (found: number[], told: number[]) =>
      expect(Math.max(...found.map((ms, i) => Math.abs(ms - told[i]!)))).toBeLessThan(1);
    within(at(0.95), [240, 110, 65]);
    within(at(0.05), [146, 105, 63]);
    expect(queueMs(200, 200)).toBe(Number.POSITIVE_INFINITY);
  });
});

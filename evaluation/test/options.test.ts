import { describe, expect, it } from 'vitest';
import { parseOptions, USAGE } from '../src/options.ts';
import { planned, primaryOf } from '../src/plan.ts';

const options = (...args: string[]) => {
  const parsed = parseOptions(args);
  if (parsed === undefined) throw new Error('help was wanted');
  return parsed;
};

describe('the options of an evaluation', () => {
  it.each([
    [['--ratio', '101'], '--ratio 101: a number of percent from 0 to 100 is wanted'],
    [['--ratio', '-1'], 'ratio'],
    [['--ratio', '50,half'], '--ratio half'],
    [['--ratio', ''], '--ratio :'],
    [['--rtt', '1e3'], '--rtt 1e3'],
    [['--regions', '1'], '--regions 1: a whole number of regions from 2 to 8'],
    [['--regions', '2.5'], '--regions 2.5'],
    [['--regions', '9'], 'from 2 to 8'],
    [['--runs', '1'], 'from 2'],
    [['--mix', 'films'], '--mix films is none of documents, hospital, imaging'],
    [['--schemes', 'federation,moon'], '--schemes moon is none of'],
    [['--temperature', 'tepid'], 'neither cold nor warm'],
    [['--engine', 'paper'], '--engine paper is neither embedded nor fabric'],
    [['--engine', 'fabric', '--cut', '0'], '--cut 0: a number of milliseconds from 1'],
    [['--quick', '--full'], 'exclude each other'],
    [['--fast'], '--fast'],
    [['surprise'], 'surprise'],
  ])('%j are refused in words', (args, message) => {
    expect(() => parseOptions(args)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }) as Error);
    expect(() => parseOptions(args)).toThrow(message);
  });

  it('are explained when help is wanted', () => {
    expect(parseOptions(['--help'])).toBeUndefined();
    expect(USAGE).toContain('--ratio');
  });

  it('take what is given and the profile’s defaults for the rest', () => {
    expect(options('--ratio', '0,78.5', '--seed', 's', '--out', 'here')).toMatchObject({
      profile: 'quick',
      ratios: [0, 78.5],
      regions: [4],
      rttsMs: [30],
      seed: 's',
      folder: 'here',
    });
    expect(options('--full').runs).toBeGreaterThanOrEqual(10);
  });

  it('take the embedded engine unless Fabric is asked for', () => {
    expect(options().engine).toBe('embedded');
    expect(options('--cut', '0').cutsMs).toEqual([0]);
    expect(options('--engine', 'fabric', '--cut', '1')).toMatchObject({ engine: 'fabric', cutsMs: [1] });
  });

  it('go on with the seed of the folder that is named, unless another is given', () => {
    const seedOf = (folder: string) => (folder === 'old' ? 'of old' : undefined);
    expect(parseOptions(['--out', 'old'], seedOf)?.seed).toBe('of old');
    expect(parseOptions(['--out', 'old', '--seed', 'new'], seedOf)?.seed).toBe('new');
  });
});

describe('a plan', () => {
  it('has the primary comparison in it, cold, before anything else is thought of', () => {
    for (const given of [options('--quick'), options('--full')]) {
      const primary = primaryOf(given);
      expect(primary).toEqual({ scheme: 'federation', against: 'national', regions: 4, rttMs: 30 });
      for (const scheme of [primary.scheme, primary.against])
        expect(planned(given).map(({ conditions }) => conditions)).toContainEqual(
          expect.objectContaining({ scheme, regions: 4, rttMs: 30, temperature: 'cold', apart: true }),
        );
    }
  });

  it('names no cell twice', () => {
    const ids = planned(options('--full')).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

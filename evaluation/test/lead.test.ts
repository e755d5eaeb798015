import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ASSUMED, MODELLED_SCHEMES, predict, predictedCrossover } from '../src/model.ts';
import { lead } from '../src/statistics/lead.ts';

test('a lead that comes and goes counts from where it lasts to an end', () => {
  const wave = (roots: number[]) => (share: number) => roots.reduce((product, root) => product * (share - root), 1);
  const ahead = lead(wave([0.203, 0.5, 0.807]));
  expect(ahead).toMatchObject({ verdict: 'below', from: 1 });
  expect(ahead.until).toBeCloseTo(0.203, 6);
  const behind = lead((share) => -wave([0.203, 0.5, 0.807])(share));
  expect(behind.verdict).toBe('above');
  expect(behind.from).toBeCloseTo(0.807, 6);
});

test('with a lead at both ends the verdict names the intra one; in the middle alone it is none', () => {
  const hill = (share: number) => 0.04 - (share - 0.5) ** 2;
  const both = lead(hill);
  expect(both.verdict).toBe('above');
  expect(both.from).toBeCloseTo(0.7, 6);
  expect(both.until).toBeCloseTo(0.3, 6);
  expect(lead((share) => -hill(share))).toEqual({ verdict: 'never', from: 1, until: 0 });
});

test('ties are no lead for anyone', () => {
  expect(lead(() => 0).verdict).toBe('never');
  expect(lead((share) => -share).verdict).toBe('always');
  expect(lead((share) => share - 1).verdict).toBe('always');
  expect(lead((share) => share).verdict).toBe('never');
  const plateau = lead((share) => (share < 0.4 ? 1 : share < 0.6 ? 0 : -1));
  expect(plateau.verdict).toBe('above');
  expect(plateau.from).toBeCloseTo(0.6, 6);
});

test('of two lines it says what the model says by formula', () => {
  const scheme = fc.constantFrom(...MODELLED_SCHEMES);
  fc.assert(
    fc.property(scheme, scheme, fc.integer({ min: 1, max: 200 }), (a, b, rttMs) => {
      const terms = { ...ASSUMED, rttMs };
      const [ours, theirs] = [predict(a, terms), predict(b, terms)];
      const { verdict, percent } = predictedCrossover(ours, theirs);
      const found = lead(
        (share) => share * (ours.intraMs - theirs.intraMs) + (1 - share) * (ours.crossMs - theirs.crossMs),
      );
      expect(found.verdict).toBe(verdict);
      if (percent !== undefined) expect(100 * (verdict === 'above' ? found.from : found.until)).toBeCloseTo(percent, 4);
    }),
  );
});

import { expect, test } from 'vitest';
import { supersede } from '../contracts/asking.ts';
import type { Leg } from '../contracts/request-state.ts';

const failed: Leg = { region: 'b', outcome: 'failed', at: 1, transactionId: 'f' };
const denied: Leg = { region: 'b', outcome: 'denied', at: 2, transactionId: 'd' };
const released: Leg = { region: 'b', outcome: 'released', at: 3, transactionId: 'r' };

test('a home’s word takes the place of its silence, which stays visible', () => {
  expect(supersede(failed, denied)).toEqual({ ...denied, failedAt: 1 });
  expect(supersede(failed, { ...failed, at: 9 })).toBe(failed);
  expect(supersede(denied, failed)).toBe(denied);
});

test('a second, other word of a home never takes the place of the first, and stays visible once', () => {
  expect(supersede(denied, { ...denied })).toBe(denied);
  const forked = supersede(denied, released);
  expect(forked).toEqual({ ...denied, conflict: 'r' });
  expect(supersede(forked, { ...released, transactionId: 'x' })).toBe(forked);
});

test('a second statement of the main chain that no region holds the patient contradicts nothing', () => {
  const absent: Leg = { region: 'main', outcome: 'absent', at: 2, transactionId: 'a' };
  expect(supersede(absent, { ...absent, at: 3, transactionId: 'b' })).toBe(absent);
  expect(supersede({ ...failed, region: 'main' }, absent)).toEqual({ ...absent, failedAt: 1 });
});

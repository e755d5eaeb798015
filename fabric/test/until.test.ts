import { expect, it } from 'vitest';
import { until } from '../src/until.ts';

it('gives the first thing seen, and lets nothing pass that is not said to', async () => {
  const seen = [undefined, false, 'it'] as const;
  let looks = 0;
  const options = { withinMs: 60_000, pollMs: 1 };
  expect(await until('never', async () => seen[looks++], options)).toBe('it');
  expect(looks).toBe(3);
  const broken = new Error('broken');
  await expect(until('never', () => Promise.reject(broken), options)).rejects.toBe(broken);
});

it('says in the end what let it pass', async () => {
  const last = new Error('last');
  const failing = until('it is not there', () => Promise.reject(last), { withinMs: 0, passes: (e) => e === last });
  await expect(failing).rejects.toMatchObject({ code: 'FABRIC_NOT_READY', message: 'it is not there', cause: last });
});

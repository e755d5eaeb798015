import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { warmUp } from '../local/compile-cache.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-cache-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('compiles once, for all services, what they load', { timeout: 60_000 }, async () => {
  const { signal } = new AbortController();
  expect(await warmUp(AbortSignal.abort(), folder)).toBe(true);
  expect(await warmUp(signal, folder)).toBe(true);
  const compiled = (await readdir(folder, { recursive: true })).length;
  expect(compiled).toBeGreaterThan(500);
  expect(await warmUp(signal, folder)).toBe(false);
});

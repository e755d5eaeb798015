import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { processesOf } from './fixture/left-overs.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-left-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each<[string, (folder: string) => Promise<ChildProcess>]>([
  ['cmdline', async (place) => spawn('tail', ['-F', join(place, 'none')], { stdio: 'ignore', env: {} })],
  ['environ', async (place) => spawn('sleep', ['60'], { env: { TMPDIR: place } })],
  ['cwd', async (place) => spawn('sleep', ['60'], { cwd: place, env: {} })],
  [
    'fd',
    async (place) => {
      await using log = await open(join(place, 'log'), 'w');
      return spawn('sleep', ['60'], { stdio: ['ignore', log.fd, 'ignore'], env: {} });
    },
  ],
])('a process that has to do with a folder by its %s alone is found, and no other is', async (how, start) => {
  expect(await processesOf(folder)).toEqual([]);
  const child = await start(folder);
  onTestFinished(() => void child.kill('SIGKILL'));
  expect((await processesOf(folder)).map((line) => line.split(' ').slice(0, 2))).toEqual([[String(child.pid), how]]);
  expect(await processesOf(`${folder}x`)).toEqual([]);
});

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readDescription } from '../local/description.ts';
import { attach, up } from '../local/federation.ts';
import { FileLock } from '../local/file-lock.ts';
import { Layout } from '../local/layout.ts';
import { birthOf, down, isAlive, lastRunning, running, writeRunning } from '../local/running.ts';
import { SmallDisk } from './fixture/small-disk.ts';
import { DESCRIPTION } from './fixture/world.ts';

const SLOW_MS = 60_000;

let folder: string;
let state: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-conditions-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A state folder that is there and empty. */
async function fresh(): Promise<string> {
  state = await mkdtemp(join(folder, 'state-'));
  return state;
}

describe('what keeps a federation from starting', () => {
  it('is a description that is wrong or missing', { timeout: SLOW_MS }, async () => {
    const file = join(await fresh(), 'wrong.json');
    await expect(up(state, file)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await writeFile(file, '{"federation":1}');
    await expect(up(state, file)).rejects.toMatchObject({ code: 'DESCRIPTION_INVALID' });
    expect(await lastRunning(state)).toBeUndefined();
  });

  it('is the state of another federation, which is left alone', { timeout: SLOW_MS }, async () => {
    const kept = join(await fresh(), 'description.json');
    const text = (await readFile(DESCRIPTION, 'utf8')).replace('yilian-test', 'another');
    await writeFile(kept, text);
    await expect(up(state, DESCRIPTION)).rejects.toMatchObject({ code: 'STATE_FOREIGN' });
    expect(await readFile(kept, 'utf8')).toBe(text);
  });

  it('is a Redis that is missing or does not answer', { timeout: SLOW_MS }, async () => {
    onTestFinished(() => void delete process.env['REDIS_URLS']);
    process.env['REDIS_URLS'] = 'redis://127.0.0.1:1';
    await expect(up(await fresh(), DESCRIPTION)).rejects.toMatchObject({ code: 'REDIS_UNFIT' });
    process.env['REDIS_URLS'] = 'redis://127.0.0.1:1 redis://:secret@127.0.0.1:1';
    await expect(up(await fresh(), DESCRIPTION)).rejects.toMatchObject({
      code: 'REDIS_UNREACHABLE',
      message: 'redis://127.0.0.1:1 does not answer (ECONNREFUSED)',
    });
    expect(await lastRunning(state)).toBeUndefined();
  });

  it('is a port that another program has', { timeout: SLOW_MS }, async () => {
    const layout = await Layout.open(await fresh(), await readDescription(DESCRIPTION));
    const name = 'region-b/vault/HospitalB1';
    const server = createServer().listen(layout.port(name), '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    await expect(up(state, DESCRIPTION)).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(`port ${layout.port(name)} of ${name}`) as string,
    });
  });

  it('is another supervisor of the same state', { timeout: SLOW_MS }, async () => {
    using _ = await FileLock.take(join(await fresh(), 'supervisor.lock'));
    await expect(up(state, DESCRIPTION)).rejects.toMatchObject({ code: 'STATE_BUSY' });
  });

  it.skipIf(!SmallDisk.isPossible())('is a full disk (skipped where no disk can be mounted)', async () => {
    using _ = new SmallDisk(await fresh(), 1024);
    await expect(up(state, DESCRIPTION)).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('is a state folder that cannot be one', async () => {
    const file = join(await fresh(), 'file');
    await writeFile(file, '');
    await expect(up(join(file, 'state'), DESCRIPTION)).rejects.toMatchObject({ code: 'STATE_UNUSABLE' });
  });
});

describe('what a killed supervisor left', () => {
  it('is ended by `down`, but for a process that merely has the same id', { timeout: SLOW_MS }, async () => {
    await fresh();
    const [bystander, orphan] = [spawn('sleep', ['60']), spawn('sleep', ['60'])];
    onTestFinished(() => {
      bystander.kill('SIGKILL');
      orphan.kill('SIGKILL');
    });
    const left = { pid: orphan.pid ?? 0, birth: birthOf(orphan.pid ?? 0) ?? '' };
    const stranger = { pid: bystander.pid ?? 0, birth: 'an older one' };
    const processes = [left, stranger].map((each) => ({ ...each, name: 'x', state: 'running' as const, restarts: 0 }));
    const gone = { pid: process.pid, birth: 'an older one' };
    writeRunning(state, { ...gone, state: 'ready', step: 'ready', engines: {}, processes });
    expect(await running(state)).toBeUndefined();
    await expect(attach(state)).rejects.toMatchObject({ code: 'NOT_RUNNING' });
    await down(state);
    expect(isAlive(left)).toBe(false);
    expect(birthOf(stranger.pid)).toBeDefined();
    await expect(down(state)).rejects.toMatchObject({ code: 'NOT_RUNNING' });
  });

  it.skipIf(spawnSync('python3', ['--version']).status !== 0)(
    'lives as long as one of its threads, and their locks, do (skipped without python3)',
    async () => {
      const script = `import ctypes, os, threading, time
print(os.getpid(), flush=True)
threading.Thread(target=lambda: time.sleep(60)).start()
ctypes.CDLL(None).pthread_exit(None)`;
      const headless = spawn('python3', ['-c', script]);
      onTestFinished(() => void headless.kill('SIGKILL'));
      await once(headless.stdout, 'data');
      const status = () => readFile(`/proc/${headless.pid}/status`, 'utf8');
      await vi.waitFor(async () => expect(await status()).toMatch(/^State:\tZ/m));
      const left = { pid: headless.pid ?? 0, birth: birthOf(headless.pid ?? 0) ?? '' };
      expect(isAlive(left)).toBe(true);
      headless.kill('SIGKILL');
      await vi.waitFor(() => expect(isAlive(left)).toBe(false));
    },
  );

  it('does not matter when the note of it is damaged', async () => {
    await mkdir(await fresh(), { recursive: true });
    await writeFile(join(state, 'running.json'), '{"pid":');
    expect(await running(state)).toBeUndefined();
  });
});

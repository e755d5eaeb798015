import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readDescription } from '../local/description.ts';
import { FileLock } from '../local/file-lock.ts';
import { Layout } from '../local/layout.ts';
import { birthOf, isAlive, writeRunning } from '../local/running.ts';
import { Terminal } from './fixture/command-line.ts';
import { DESCRIPTION } from './fixture/world.ts';

const SLOW_MS = 60_000;
const isRoot = process.getuid?.() === 0;

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-conditions-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const fresh = (): Terminal => new Terminal(join(folder, String(count++)));

describe('what keeps a federation from starting', () => {
  it.each([
    ['{"federation":1}', 'DESCRIPTION_INVALID'],
    ['{', 'DESCRIPTION_INVALID'],
    [undefined, 'FILE_UNREADABLE'],
  ])('refuses the description %s', { timeout: SLOW_MS }, async (text, code) => {
    const terminal = fresh();
    const file = join(folder, `description-${count}.json`);
    if (text !== undefined) await writeFile(file, text);
    expect(await terminal.refusal(['up', '--description', file])).toMatchObject({ exitCode: 1, code });
    expect(await terminal.refusal(['status'])).toMatchObject({ code: 'NOT_RUNNING' });
  });

  it('refuses the state of another federation, and leaves it alone', { timeout: SLOW_MS }, async () => {
    const terminal = fresh();
    await mkdir(terminal.state);
    const other = JSON.parse(await readFile(DESCRIPTION, 'utf8')) as { federation: string };
    const text = JSON.stringify({ ...other, federation: 'another' });
    await writeFile(join(terminal.state, 'description.json'), text);
    expect(await terminal.refusal(['up', '--description', DESCRIPTION])).toMatchObject({ code: 'STATE_FOREIGN' });
    expect(await readFile(join(terminal.state, 'description.json'), 'utf8')).toBe(text);
  });

  it('wants one Redis for each region', { timeout: SLOW_MS }, async () => {
    const env = { REDIS_URLS: 'redis://127.0.0.1:1' };
    expect(await fresh().refusal(['up', '--description', DESCRIPTION], { env })).toMatchObject({ code: 'REDIS_UNFIT' });
  });

  it('names the port that another program has', { timeout: SLOW_MS }, async () => {
    const terminal = fresh();
    const layout = await Layout.open(terminal.state, await readDescription(DESCRIPTION));
    const port = layout.port('region-b/vault/HospitalB1');
    const server = createServer().listen(port, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const refusal = await terminal.refusal(['up', '--description', DESCRIPTION]);
    expect(refusal).toMatchObject({ code: 'PORT_TAKEN', message: expect.stringContaining(String(port)) as string });
    expect(refusal.message).toContain('region-b/vault/HospitalB1');
  });

  it('lets one supervisor at a time have a state', { timeout: SLOW_MS }, async () => {
    const terminal = fresh();
    await mkdir(terminal.state);
    using _ = await FileLock.take(join(terminal.state, 'supervisor.lock'));
    const refusal = await terminal.refusal(['up', '--description', DESCRIPTION]);
    expect(refusal).toMatchObject({ exitCode: 1, code: 'STATE_BUSY' });
  });

  it.skipIf(!isRoot || spawnSync('mount', ['--version']).status !== 0)(
    'says that the disk is full (skipped without root and mount)',
    { timeout: SLOW_MS },
    async () => {
      const terminal = fresh();
      await mkdir(terminal.state);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', terminal.state]);
      onTestFinished(() => void spawnSync('umount', [terminal.state]));
      expect(mounted.status).toBe(0);
      const refusal = await terminal.refusal(['up', '--description', DESCRIPTION]);
      expect(refusal).toMatchObject({ exitCode: 1, code: 'DISK_FULL' });
    },
  );

  it('says that a state folder cannot be used', { timeout: SLOW_MS }, async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const refusal = await new Terminal(join(file, 'state')).refusal(['up', '--description', DESCRIPTION]);
    expect(refusal).toMatchObject({ exitCode: 1, code: 'STATE_UNUSABLE' });
  });

  it('leaves a process alone that merely has the id of one of its own', { timeout: SLOW_MS }, async () => {
    const terminal = fresh();
    await mkdir(terminal.state);
    const [bystander, orphan] = [spawn('sleep', ['60']), spawn('sleep', ['60'])];
    onTestFinished(() => {
      bystander.kill('SIGKILL');
      orphan.kill('SIGKILL');
    });
    const processes = [
      { name: 'stranger', pid: bystander.pid ?? 0, birth: 'an older one' },
      { name: 'orphan', pid: orphan.pid ?? 0, birth: birthOf(orphan.pid ?? 0) ?? '' },
    ].map((each) => ({ ...each, state: 'running' as const, restarts: 0 }));
    const gone = { pid: process.pid, birth: 'an older one' };
    writeRunning(terminal.state, { ...gone, state: 'ready', step: 'ready', engines: {}, processes });
    expect(await terminal.refusal(['status'])).toMatchObject({ code: 'NOT_RUNNING' });
    expect(await terminal.json(['down'])).toEqual({ stopped: true });
    expect(isAlive({ pid: orphan.pid ?? 0, birth: processes[1]?.birth ?? '' })).toBe(false);
    expect(birthOf(bystander.pid ?? 0)).toBeDefined();
    expect(await terminal.refusal(['down'])).toMatchObject({ code: 'NOT_RUNNING' });
  });
});

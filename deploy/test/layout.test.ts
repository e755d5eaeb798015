import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, isFree } from '@yilian/service';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Description, readDescription } from '../local/description.ts';
import { FileLock } from '../local/file-lock.ts';
import { Layout } from '../local/layout.ts';
import { DESCRIPTION } from './fixture/world.ts';

let folder: string;
let description: Description;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-layout-'));
  description = await readDescription(DESCRIPTION);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the layout of a state folder', () => {
  it('gives everything that listens a port of its own and keeps it', async () => {
    const [first, second] = [await Layout.open(folder, description), await Layout.open(folder, description)];
    const addresses = first.listeners.map((name) => first.address(name));
    expect(new Set(addresses).size).toBe(first.listeners.length);
    expect(second.listeners.map((name) => second.address(name))).toEqual(addresses);
    expect((await stat(join(folder, 'ports.json'))).mode & 0o077).toBe(0);
    expect(() => first.port('nobody')).toThrow('nobody');
  });

  it('tells others the public port when something stands before a listener', async () => {
    const state = join(folder, 'fronted');
    await Layout.open(state, description);
    const file = join(state, 'ports.json');
    const ports = JSON.parse(await readFile(file, 'utf8')) as Record<string, number>;
    await writeFile(file, JSON.stringify({ ...ports, 'region-a/relay': { listen: 1234, public: 4321 } }));
    const layout = await Layout.open(state, description);
    expect([layout.port('region-a/relay'), layout.url('region-a/relay')]).toEqual([1234, 'http://127.0.0.1:4321']);
  });

  it('refuses a file of ports that is damaged', async () => {
    const state = join(folder, 'damaged');
    await Layout.open(state, description);
    await writeFile(join(state, 'ports.json'), '{');
    await expect(Layout.open(state, description)).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
  });

  it('takes free ports below those of outgoing connections', async () => {
    const ports = await freePorts(20);
    expect(new Set(ports).size).toBe(20);
    expect(Math.max(...ports)).toBeLessThan(32_768);
    expect(await isFree(ports[0] ?? 0)).toBe(true);
  });

  it('makes the same trust roots every time, from authorities whose keys only the owner reads', async () => {
    const layout = await Layout.open(folder, description);
    const genesis = await layout.genesis();
    expect(await (await Layout.open(folder, description)).genesis()).toEqual(genesis);
    expect(genesis.main.attestation).toBe(
      "OutOf(2, 'NationalCentre.client', 'AuthorityA.client', 'AuthorityB.client')",
    );
    const files = (await readdir(join(folder, 'pki'), { recursive: true, withFileTypes: true })).filter((each) =>
      each.isFile(),
    );
    expect(files.length).toBe(3);
    for (const { parentPath, name } of files) expect((await stat(join(parentPath, name))).mode & 0o077).toBe(0);
  });
});

describe('what several processes share', () => {
  it('is written whole: a reader sees the old bytes or the new, also of a writer that is killed', async () => {
    const file = join(folder, 'shared.json');
    const writer = fork(new URL('./fixture/write-process.ts', import.meta.url), [file]);
    onTestFinished(() => void writer.kill('SIGKILL'));
    await once(writer, 'message');
    const seen = new Set<string>();
    for (const deadline = Date.now() + 10_000; seen.size < 20; ) {
      expect(Date.now()).toBeLessThan(deadline);
      const text = readFileSync(file, 'utf8');
      const { letter, length } = JSON.parse(text) as { letter: string; length: number; text: string };
      expect(text).toBe(JSON.stringify({ letter, length, text: letter.repeat(length) }));
      seen.add(letter);
    }
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ length: expect.any(Number) as number });
  });

  it('is locked until the process that holds it ends, even by force', async () => {
    const file = join(folder, 'lock');
    const holder = fork(new URL('./fixture/lock-process.ts', import.meta.url), [file]);
    await new Promise((resolve) => holder.once('message', resolve));
    expect(FileLock.tryTake(file)).toBeUndefined();
    await expect(FileLock.take(file, AbortSignal.timeout(60))).rejects.toThrow();
    holder.kill('SIGKILL');
    using taken = await FileLock.take(file, AbortSignal.timeout(5_000));
    expect(taken).toBeDefined();
    expect(FileLock.tryTake(file)).toBeUndefined();
  });
});

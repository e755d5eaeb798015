import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { lastRunning, type Running } from '../../local/running.ts';
import { listening } from '../fixture/listening.ts';
import { DESCRIPTION, kill, living, type World } from '../fixture/world.ts';

const SLOW_MS = 120_000;

/** How a federation starts, and what may come in between. */
export function starting(world: () => World): void {
  it('ends what it started when `up` is interrupted', { timeout: SLOW_MS }, async () => {
    let before: Running | undefined;
    const up = world().terminal.run(['up', '--description', DESCRIPTION], {
      onStderr: (piece, { pid }) => {
        if (!piece.includes('founding')) return;
        void lastRunning(world().state).then((running) => {
          before = running;
          process.kill(pid ?? 0, 'SIGINT');
        });
      },
    });
    const { exitCode, stderr } = await up;
    expect(exitCode).toBe(130);
    expect(stderr).toContain('INTERRUPTED');
    expect(before?.processes.length).toBeGreaterThan(3);
    expect(living(before ? [before, ...before.processes] : [])).toEqual([]);
    expect(await lastRunning(world().state)).toBeUndefined();
  });

  it('tells of a supervisor that was killed while it started, and the next `up` goes on; of two at once one wins', {
    timeout: SLOW_MS,
  }, async () => {
    await world().record();
    const { exitCode } = await world().terminal.run(['up'], {
      onStderr: (piece) => {
        if (piece.includes('founding')) void world().running().then(kill);
      },
    });
    expect(exitCode).toBe(1);
    const orphans = await world().everybody();
    expect(living(orphans).length).toBeGreaterThan(0);
    expect(await world().terminal.refusal(['status'])).toMatchObject({ exitCode: 1, code: 'NOT_RUNNING' });

    const runs = await Promise.all([world().terminal.run(['up', '--json']), world().terminal.run(['up', '--json'])]);
    const [won, lost] = runs[0].exitCode === 0 ? runs : [runs[1], runs[0]];
    expect(JSON.parse(won.stdout)).toMatchObject({
      federation: 'yilian-test',
      regions: [{ region: 'region-a' }, { region: 'region-b' }],
    });
    expect([lost.exitCode, lost.stdout, JSON.parse(lost.stderr)]).toMatchObject([1, '', { code: 'STATE_BUSY' }]);
    expect(living(orphans)).toEqual([]);
  });

  it('refuses a second `up`, and one with the description of another federation', async () => {
    const other = world().path('other.json');
    await writeFile(other, (await readFile(DESCRIPTION, 'utf8')).replace('yilian-test', 'yilian-other'));
    for (const more of [[], ['--description', other]])
      expect(await world().terminal.refusal(['up', ...more])).toMatchObject({ exitCode: 1, code: 'STATE_BUSY' });
    const status = await world().terminal.json<Running>(['status']);
    expect(status).toMatchObject({
      state: 'ready',
      engines: { chains: expect.stringContaining('embedded') as string },
    });
    expect(new Set(status.processes.map(({ state }) => state))).toEqual(new Set(['running']));
  });

  it('says in `status` which process cannot start any more and why, and starts it again once it can', {
    timeout: SLOW_MS,
  }, async () => {
    const file = join(world().state, 'pseudonyms.json');
    const config = await readFile(file, 'utf8');
    const pseudonyms = async () => (await world().running()).processes.find(({ name }) => name === 'pseudonyms');
    const until = async (holds: (state: Awaited<ReturnType<typeof pseudonyms>>) => boolean) => {
      while (!holds(await pseudonyms())) await delay(50);
      return pseudonyms();
    };
    await writeFile(file, '{}');
    const before = await pseudonyms();
    if (before !== undefined) kill(before);
    const broken = await until((now) => now?.state === 'waiting' && now.restarts > 0);
    expect(broken?.ended).toContain('CONFIG_INVALID');
    await writeFile(file, config);
    const mended = await until((now) => now?.state === 'running');
    expect(mended?.pid).not.toBe(before?.pid);
  });

  it('listens on this machine alone, where it said, and lets nobody else read what it wrote', async () => {
    const { layout } = await world().actors();
    const behind = layout.listeners.map((name) => layout.port(name));
    expect(new Set(behind).size).toBe(layout.listeners.length);
    const heard = await listening((await world().everybody()).map(({ pid }) => pid));
    expect(heard.toSorted()).toEqual(behind.map((port) => `127.0.0.1:${port}`).toSorted());
    const open = await readableByOthers(world().state);
    expect(open).toEqual([]);
  });
}

/** Files below a folder that somebody else than their owner could open. */
async function readableByOthers(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const { mode } = await lstat(path);
    if ((mode & 0o077) === 0) continue;
    found.push(...(entry.isDirectory() ? await readableByOthers(path) : [path]));
  }
  return found;
}

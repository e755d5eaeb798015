import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LOCAL, runScript } from '../fixture/command-line.ts';
import { sha256 } from '../fixture/documents.ts';
import type { World } from '../fixture/world.ts';

const SLOW_MS = 240_000;
const DEMO = `${LOCAL}demo.ts`;

/** The demonstration as it is started from the README. */
export function demonstration(world: () => World): void {
  it('runs the main job on HL7’s examples and a file of one’s own, and leaves nothing', {
    timeout: SLOW_MS,
  }, async () => {
    const temporary = world().path('tmp');
    await mkdir(temporary, { recursive: true });
    const own = world().path('scan.dcm');
    await writeFile(own, randomBytes(3_000_000));
    const { exitCode, stdout, stderr } = await runScript(DEMO, ['--', '--file', own], {
      cwd: world().folder,
      env: { TMPDIR: temporary, YILIAN_PASSPHRASE: '' },
    });
    expect([exitCode, stderr]).toEqual([0, '']);
    const hash = sha256(await readFile(own));
    expect(stdout).toMatch(new RegExp(`published scan.dcm, 3000000 bytes, SHA-256 ${hash}`));
    expect(stdout).toMatch(new RegExp(`opened scan.dcm, 3000000 bytes, SHA-256 ${hash}: as published`));
    for (const word of [
      'absent, proven by',
      'denied, proven',
      'destruction receipts',
      'the dossier holds',
      'Everything is stopped',
    ])
      expect(stdout).toContain(word);
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesOf(temporary)).toEqual([]);
  });

  it('tidies up when it is interrupted', { timeout: SLOW_MS }, async () => {
    const temporary = world().path('tmp');
    await mkdir(temporary, { recursive: true });
    const { exitCode } = await runScript(DEMO, [], {
      env: { TMPDIR: temporary },
      onStdout: (piece, child) => {
        if (piece.includes('founding')) child.kill('SIGINT');
      },
    });
    expect(exitCode).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesOf(temporary)).toEqual([]);
  });

  it('refuses what it does not know', async () => {
    const { exitCode, stdout, stderr } = await runScript(DEMO, ['--nonsense']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain('USAGE');
    const missing = await runScript(DEMO, ['--file', world().path('nothing')]);
    expect([missing.exitCode, missing.stdout]).toEqual([1, '']);
    expect(missing.stderr).toContain('FILE_UNREADABLE');
  });
}

/** Processes whose command line or working directory is in this folder. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
    if (command.includes(folder)) found.push(command);
  }
  return found;
}

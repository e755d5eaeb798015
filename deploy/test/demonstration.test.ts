import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Running } from '../local/running.ts';
import { CLI, LOCAL, runScript } from './fixture/command-line.ts';
import { FHIR } from './fixture/documents.ts';
import { processesOf } from './fixture/left-overs.ts';

const SLOW_MS = 240_000;
const DEMO = `${LOCAL}demo.ts`;
const TX = 'tx [0-9a-f]{16}…';
/** What the demonstration promises, in its order, each on a line of its own. */
const STEPS: readonly RegExp[] = [
  /engine +chains: embedded Fabric node \d+\.\d+\.\d+/,
  /engine +vault: embedded block store \d+\.\d+\.\d+/,
  /engine +redis: \d+\.\d+\.\d+/,
  RegExp(`engine +node: ${process.version}`),
  RegExp(`region-a +pieter is enrolled .* ${TX} +\\d+ ms`),
  RegExp(`region-a +roel is enrolled .* ${TX} +\\d+ ms`),
  RegExp(`region-a +HospitalA\\d published .* ${TX} +\\d+ ms`),
  RegExp(`region-b +Dr Li Wei .* ${TX} +\\d+ ms`),
  RegExp(`region-a +grant active: .* ${TX} +\\d+ ms`),
  RegExp(`region-b +the request is on the doctor’s own chain +${TX} +\\d+ ms`),
  RegExp(`region-a +released, attested by .* ${TX} +\\d+ ms`),
  /doctor +opened .*: as published +\d+ ms/,
  RegExp(`region-b +the request is on .* ${TX}`),
  RegExp(`region-a +released, attested by .* ${TX}`),
  /released again under the same grant: (\d+) records, no new consent/,
  RegExp(`main +absent, proven by the authorities at block \\d+ +${TX}`),
  RegExp(`region-a +revoked; .* stopped at once +${TX}`),
  /region-a +3 of 3 proxies committed their destruction receipts/,
  RegExp(`region-b +the request is on .* ${TX}`),
  RegExp(`region-a +denied, proven: (REVOKED(, )?){5} +${TX}`),
  RegExp(`region-a .* Dr Li Wei: denied +${TX}`),
  RegExp(`region-a .* Dr Li Wei: released +${TX}`),
  RegExp(`region-a .* Dr Li Wei: released +${TX}`),
  /region-c +nobody asked/,
  /anybody +the dossier holds/,
  /Everything is stopped and removed/,
  /Phase +Milliseconds/,
  /Total +\d+/,
];
const FILE_LINE = /(published|opened) (\S+), (\d+) bytes, SHA-256 ([0-9a-f]{64})/;

interface Told {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-demo-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the demonstration, as it is started from the README', () => {
  it('runs the main job on HL7’s examples and a file of one’s own, tells every step, and leaves nothing', {
    timeout: SLOW_MS,
  }, async () => {
    const temporary = await emptyFolder();
    const own = join(folder, 'scan.dcm');
    await writeFile(own, randomBytes(3_000_000));
    const { exitCode, stdout, stderr } = await runScript(DEMO, ['--', '--file', own], {
      cwd: folder,
      env: { TMPDIR: temporary, YILIAN_PASSPHRASE: '' },
    });
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesOf(temporary)).toEqual([]);

    expect(missingFrom(stdout)).toEqual([]);
    const published = filesOf(stdout, 'published');
    const opened = filesOf(stdout, 'opened');
    for (const each of published)
      expect(each).toEqual(await real(each.name === 'scan.dcm' ? own : join(FHIR, each.name)));
    expect(published.length).toBeGreaterThan(30);
    expect(new Set(published.map(({ name }) => name.split('-')[0])).size).toBeGreaterThan(4);
    expect(published.length - opened.length).toBeGreaterThan(5);
    expect(opened.map(({ name }) => name)).toContain('scan.dcm');
    expect(opened.length).toBe(Number(/same grant: (\d+) records/.exec(stdout)?.[1]));
    for (const each of opened) expect(published).toContainEqual(each);
    expect(totalOf(stdout)).toBeGreaterThan(1_000);
  });

  it('tidies up when its terminal is closed', { timeout: SLOW_MS }, async () => {
    const temporary = await emptyFolder();
    const { exitCode } = await runScript(DEMO, [], {
      env: { TMPDIR: temporary },
      onStdout: (piece, child) => {
        if (piece.includes('founding')) child.kill('SIGHUP');
      },
    });
    expect(exitCode).toBe(129);
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesOf(temporary)).toEqual([]);
  });

  it('ends quietly and leaves nothing when nobody reads on, as before `| head -3`', { timeout: SLOW_MS }, async () => {
    const temporary = await emptyFolder();
    const { exitCode, stderr } = await runScript(DEMO, [], { env: { TMPDIR: temporary }, unread: true });
    expect([exitCode, stderr]).toEqual([141, '']);
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesOf(temporary)).toEqual([]);
  });

  it('leaves the federation up with --keep, for the next terminal', { timeout: SLOW_MS }, async () => {
    const cwd = join(folder, 'kept');
    await mkdir(cwd);
    const { exitCode, stdout } = await runScript(DEMO, ['--keep'], {
      cwd,
      onStdout: (piece, child) => {
        if (piece.includes('engine')) child.kill('SIGINT');
      },
    });
    expect(exitCode).toBe(130);
    expect(stdout).toContain('The federation stays up');
    const status = await runScript(CLI, ['status', '--json'], { cwd });
    expect(JSON.parse(status.stdout)).toMatchObject({ state: 'ready' } satisfies Partial<Running>);
    expect((await processesOf(cwd)).length).toBeGreaterThan(20);
    expect(await runScript(CLI, ['down'], { cwd })).toMatchObject({ exitCode: 0, stdout: 'stopped\n' });
    expect(await processesOf(cwd)).toEqual([]);
  });

  it('refuses what it does not know or cannot use', { timeout: SLOW_MS }, async () => {
    const wrong = [['--nonsense'], ['extra'], ['--file'], ['--file', 'one', '--file', 'two'], ['--', '--', 'x']];
    for (const args of [...wrong, ['--vault', 'floppy']]) {
      const { exitCode, stdout, stderr } = await runScript(DEMO, args);
      expect([exitCode, stdout, stderr.split(':')[0]]).toEqual([2, '', 'USAGE']);
    }
    const missing = await runScript(DEMO, ['--file', join(folder, 'nothing')]);
    expect([missing.exitCode, missing.stdout]).toEqual([1, '']);
    expect(missing.stderr).toMatch(/^FILE_UNREADABLE: .*\n$/);
  });
});

async function emptyFolder(): Promise<string> {
  const empty = join(folder, 'tmp');
  await mkdir(empty, { recursive: true });
  return empty;
}

/** The first promise that is not kept after those before it. */
function missingFrom(stdout: string): string[] {
  const lines = stdout.split('\n');
  let at = 0;
  for (const step of STEPS) {
    const found = lines.findIndex((line, index) => index >= at && step.test(line));
    if (found < 0) return [String(step)];
    at = found + 1;
  }
  return [];
}

function filesOf(stdout: string, what: 'published' | 'opened'): Told[] {
  return stdout.split('\n').flatMap((line) => {
    const [, done, name = '', sizeBytes, sha256 = ''] = FILE_LINE.exec(line) ?? [];
    return done === what ? [{ name, sizeBytes: Number(sizeBytes), sha256 }] : [];
  });
}

async function real(file: string): Promise<Told> {
  const bytes = await readFile(file);
  return {
    name: file.split('/').at(-1) ?? '',
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** The sum at the end of the table, which is that of its rows. */
function totalOf(stdout: string): number {
  const [, table = ''] = stdout.split(/Phase +Milliseconds\n/);
  const rows = table
    .trim()
    .split('\n')
    .map((row) => Number(/\d+$/.exec(row)?.[0]));
  const total = rows.pop() ?? 0;
  expect(rows.length).toBeGreaterThan(10);
  expect(Math.abs(rows.reduce((sum, row) => sum + row, 0) - total)).toBeLessThanOrEqual(rows.length);
  return total;
}

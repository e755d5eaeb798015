import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, runScript, Terminal } from './fixture/command-line.ts';

const SLOW_MS = 60_000;
const COMMANDS = [
  'up',
  'status',
  'down',
  'backup',
  'restore',
  'enrol',
  'publish',
  'grant',
  'revoke',
  'request',
  'open',
  'accesses',
  'verify',
];
const HELPS = [['up'], ['enrol', 'patient'], ['request'], ['verify']];
/** Each is wrong in its own way. */
const WRONG = [
  [],
  ['nonsense'],
  ['status', 'extra'],
  ['up', '--nonsense'],
  ['enrol', 'patient', 'alice'],
  ['grant', '--patient', 'alice', '--doctor', 'li', '--days', '0'],
  ['request', '--doctor', 'li', '--patient', 'alice', '--timeout', '1e9'],
];

let terminal: Terminal;
beforeAll(async () => {
  terminal = new Terminal(await mkdtemp(join(tmpdir(), 'yilian-nothing-')));
});
afterAll(() => rm(terminal.state, { recursive: true, force: true }));

describe('the command line without a federation', () => {
  it('has help', { timeout: SLOW_MS }, async () => {
    const all = await terminal.run(['--help']);
    expect([all.exitCode, all.stderr]).toEqual([0, '']);
    for (const command of COMMANDS) expect(all.stdout).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
    for (const [index, { exitCode, stdout, stderr }] of (
      await inPairs(HELPS, (command) => terminal.run([...command, '--help']))
    ).entries()) {
      expect([exitCode, stderr]).toEqual([0, '']);
      expect(stdout).toContain(`Usage: yilian ${HELPS[index]?.join(' ')}`);
      expect(stdout).toContain('--json');
    }
  });

  it('ends with 2 and a code on stderr on wrong usage', { timeout: SLOW_MS }, async () => {
    for (const refusal of await inPairs(WRONG, (args) => terminal.refusal(args)))
      expect(refusal).toMatchObject({ exitCode: 2, code: 'USAGE' });
    const { exitCode, stdout, stderr } = await terminal.run(['status', 'extra']);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^USAGE: .*\n$/);
  });

  it('ends with 1 and a code when no federation runs', { timeout: SLOW_MS }, async () => {
    const id = `-${'A'.repeat(42)}`;
    const needy = [
      ['status'],
      ['accesses', '--patient', 'alice'],
      ['open', id, '--out', '.'],
      ['revoke', '--patient', id, id],
    ];
    for (const refusal of await inPairs(needy, (args) => terminal.refusal(args)))
      expect(refusal).toMatchObject({ exitCode: 1, code: 'NOT_RUNNING' });
  });

  it('ends quietly when nobody reads on, as before `| head -3`', { timeout: SLOW_MS }, async () => {
    for (const args of [['--help'], ['up', '--help']]) {
      const { exitCode, stderr } = await terminal.run(args, { unread: true });
      expect([exitCode, stderr]).toEqual([141, '']);
    }
  });

  it.skipIf(process.platform !== 'linux')(
    'says that its answer found no space (skipped without /dev/full)',
    { timeout: SLOW_MS },
    async () => {
      const full = ['sh', '-c', 'exec "$0" "$@" >/dev/full'];
      const { exitCode, stderr } = await terminal.run(['--help'], { prefix: full });
      expect([exitCode, stderr]).toEqual([1, 'DISK_FULL: no space is left for the output\n']);
    },
  );

  it('takes no notice of the `--` that pnpm hands on', { timeout: SLOW_MS }, async () => {
    const { exitCode, stderr } = await runScript(CLI, ['--', '--state', terminal.state, 'status']);
    expect([exitCode, stderr.split(':')[0]]).toEqual([1, 'NOT_RUNNING']);
  });

  it('names the file that cannot be read', { timeout: SLOW_MS }, async () => {
    const missing = join(terminal.state, 'missing.json');
    expect(await terminal.refusal(['verify', missing, '--genesis', missing])).toMatchObject({
      exitCode: 1,
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('missing.json') as string,
    });
  });
});

async function inPairs<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all([worker(), worker()]);
  return results;
}

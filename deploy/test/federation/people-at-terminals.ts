import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { CLI, PASSPHRASE } from '../fixture/command-line.ts';
import type { World } from '../fixture/world.ts';

const SLOW_MS = 60_000;
/** script(1) of util-linux runs a command on a terminal of its own. */
const SCRIPT = 'script';
/** A bar that is partly or wholly filled. */
const BAR = /[█=]{3,}.* \d+%/;
const hasScript = spawnSync(SCRIPT, ['-qec', 'true', '/dev/null']).status === 0;

/** What only a person at a terminal meets. */
export function peopleAtTerminals(world: () => World): void {
  const accesses = () => ['accesses', '--patient', 'bob'];

  it('refuses a wrong passphrase, and says how to give one when there is nobody to ask', {
    timeout: SLOW_MS,
  }, async () => {
    const wrong = await world().terminal.refusal(accesses(), { env: { YILIAN_PASSPHRASE: 'wrong' } });
    expect(wrong).toMatchObject({ exitCode: 1, code: 'KEYSTORE_LOCKED' });
    const none = await world().terminal.refusal(accesses(), { env: { YILIAN_PASSPHRASE: '' } });
    expect(none).toMatchObject({ exitCode: 2, code: 'USAGE' });
    expect(none.message).toContain('YILIAN_PASSPHRASE');
  });

  it.skipIf(!hasScript)(
    'asks for the passphrase without showing it (skipped without script(1))',
    { timeout: SLOW_MS },
    async () => {
      const answer = await atTerminal([...accesses(), '--json'], `${PASSPHRASE}\r`);
      expect(answer.exitCode).toBe(0);
      expect(answer.screen).toContain('"accesses":[');
      expect(answer.screen).not.toContain(PASSPHRASE);
    },
  );

  it.skipIf(!hasScript)(
    'ends cleanly when asking for the passphrase is interrupted (skipped without script(1))',
    {
      timeout: SLOW_MS,
    },
    async () => {
      const answer = await atTerminal(accesses(), '\x03');
      expect(answer.exitCode).toBe(130);
      expect(answer.screen).toContain('INTERRUPTED');
      const empty = await atTerminal(accesses(), '\x04');
      expect(empty.exitCode).toBe(2);
    },
  );

  it.skipIf(!hasScript)(
    'shows on stderr how far long work is, and nothing of it with --json (skipped without script(1))',
    { timeout: SLOW_MS },
    async () => {
      const long = world().path('long.dcm');
      await writeFile(long, randomBytes(9_000_000));
      const [answer, out] = [world().path('answer.txt'), world().path('long')];
      const bob = ['--patient', 'bob', '--hospital', 'HospitalA1', '--scope', 'encounter'];
      const published = await atTerminal(['publish', long, ...bob], '', answer);
      expect(published.exitCode).toBe(0);
      expect(published.screen).toMatch(BAR);
      expect(published.screen).toMatch(/long\.dcm [^\r]*100%/);
      expect(await readFile(answer, 'utf8')).toMatch(/^long\.dcm: record \S+, 9000000 bytes, SHA-256 [0-9a-f]{64}\n$/);
      const asked = await world().terminal.json<{ requestId: string }>([
        'request',
        '--doctor',
        'wang',
        '--patient',
        'bob',
      ]);
      const open = ['open', asked.requestId, '--out', out];
      const opened = await atTerminal(open, '', answer);
      expect([opened.exitCode, BAR.test(opened.screen)]).toEqual([0, true]);
      const json = await atTerminal([...open, '--json'], '', answer);
      expect(json).toEqual({ exitCode: 0, screen: '' });
      const { opened: files } = JSON.parse(await readFile(answer, 'utf8')) as { opened: { sizeBytes: number }[] };
      expect(files.map(({ sizeBytes }) => sizeBytes)).toContain(9_000_000);
    },
  );

  /** Types once something is asked; stdout goes to the terminal, or to a file. */
  async function atTerminal(
    args: readonly string[],
    keys: string,
    stdoutFile?: string,
  ): Promise<{ exitCode: number | null; screen: string }> {
    const words = [process.execPath, CLI, '--state', world().state, ...args].map((word) => `'${word}'`).join(' ');
    const command = stdoutFile === undefined ? words : `${words} >'${stdoutFile}'`;
    const passphrase = keys === '' ? PASSPHRASE : '';
    const child = spawn(SCRIPT, ['-qec', command, '/dev/null'], {
      env: { ...process.env, YILIAN_PASSPHRASE: passphrase, TERM: 'xterm' },
    });
    let screen = '';
    let typed = false;
    child.stdout.on('data', (piece: Buffer) => {
      screen += piece.toString();
      if (typed || !screen.includes('Passphrase')) return;
      typed = true;
      child.stdin.write(keys);
    });
    await once(child, 'close');
    return { exitCode: child.exitCode, screen };
  }
}

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { CLI, PASSPHRASE } from '../fixture/command-line.ts';
import type { World } from '../fixture/world.ts';

const SLOW_MS = 60_000;
/** script(1) of util-linux runs a command on a terminal of its own. */
const SCRIPT = 'script';
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

  /** Types once something is asked. */
  async function atTerminal(
    args: readonly string[],
    keys: string,
  ): Promise<{ exitCode: number | null; screen: string }> {
    const command = [process.execPath, CLI, '--state', world().state, ...args].map((word) => `'${word}'`).join(' ');
    const child = spawn(SCRIPT, ['-qec', command, '/dev/null'], {
      env: { ...process.env, YILIAN_PASSPHRASE: '', TERM: 'xterm' },
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

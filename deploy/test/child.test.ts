import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Child } from '../local/child.ts';

/** Why each of these scripts ended, which share a log one after the other. */
async function endings(...scripts: string[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'yilian-child-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const ended: string[] = [];
  for (const script of scripts) {
    const program = { name: 'x', command: 'sh', args: ['-c', script], logFile: join(folder, 'x.log'), ready: 1 };
    ended.push(await new Child(program).exited);
  }
  return ended;
}

it('says of a process that ended what it said last: a code of ours, or that a program of others found no room', async () => {
  const full = 'echo "PANI could not append block: write x: no space left on device"; echo "goroutine 1"; exit 2';
  const ours = `echo '{"code":"CONFIG_INVALID","message":"no port"}'; exit 1`;
  expect(await endings(ours, full, 'echo something else; exit 3')).toEqual([
    'exit code 1: CONFIG_INVALID no port',
    'exit code 2: DISK_FULL no space left on device',
    'exit code 3',
  ]);
});

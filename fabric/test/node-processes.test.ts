import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePorts, isFree } from '@yilian/service';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NodeProcesses, type NodeProgram } from '../src/index.ts';

const STAYS = 'setInterval(() => undefined, 1000);';

function program(name: string, script: string, ready: NodeProgram['ready'] = 'line'): NodeProgram {
  return { name, command: process.execPath, args: ['-e', script], env: { SAYS: 'here' }, ready };
}

function listening(port: number): string {
  return `require('net').createServer().listen(${port}, '127.0.0.1')`;
}

describe('the processes of a network', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yilian-processes-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are there once they say a line or listen, and are started again only where they do not run', async () => {
    await using processes = new NodeProcesses(folder);
    const [port = 0] = await freePorts(1);
    const programs = [
      program('a/says', `console.error(process.env.SAYS); console.log(1); ${STAYS}`),
      program('b/listens', listening(port), port),
    ];
    for (const each of programs) await processes.start([each]);
    const [says, listens] = processes.pids;
    expect(await processes.log('a/says')).toBe('here\n');
    await processes.kill('a/says');
    await processes.start(programs);
    expect(processes.pids[1]).toBe(listens);
    expect(processes.pids[0]).not.toBe(says);
    await processes.keep(['b/listens']);
    expect(processes.pids).toEqual([listens]);
  });

  it('are said to have ended, with their words, when one does instead', async () => {
    await using processes = new NodeProcesses(folder);
    const [port = 0] = await freePorts(1);
    await expect(processes.start([program('c', 'console.error("no room")', port)])).rejects.toMatchObject({
      code: 'FABRIC_COMMAND',
      message: expect.stringContaining('c ended: no room') as string,
    });
  });

  it('are not waited for when a signal says so', async () => {
    await using processes = new NodeProcesses(folder);
    await expect(processes.start([program('d', STAYS)], AbortSignal.timeout(50))).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('end with whoever started them, even by an error', async () => {
    const [port = 0] = await freePorts(1);
    const module = new URL('../src/index.ts', import.meta.url).href;
    const starter = `
      const { NodeProcesses } = await import(${JSON.stringify(module)});
      const processes = new NodeProcesses(${JSON.stringify(folder)});
      await processes.start([${JSON.stringify(program('e', listening(port), port))}]);
      console.log('started');
      throw new Error('without disposing');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', starter], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [said] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect(said).toBe('started\n');
    await vi.waitFor(async () => expect(await isFree(port)).toBe(true));
  });
});

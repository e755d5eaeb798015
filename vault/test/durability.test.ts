import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { openBlockVault, parseCid, serveGateway, type VaultFault } from '../src/index.ts';
import {
  blockFiles,
  bytesOf,
  collect,
  damageFile,
  digestOf,
  failureOf,
  inChunks,
  MIB,
  temporaryFolder,
  temporaryVault,
} from './fixtures.ts';

interface Running extends AsyncDisposable {
  child: ChildProcessWithoutNullStreams;
  ended: Promise<unknown>;
  line(): Promise<string>;
}

function start(script: string, ...args: string[]): Running {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args]);
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let complaint = '';
  child.stderr.on('data', (data) => {
    complaint += String(data);
  });
  return {
    child,
    ended,
    async line() {
      const next = await lines.next();
      if (next.done) throw new Error(`${script} ended: ${complaint}`);
      return next.value;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

describe('a process that is killed during a put', () => {
  it('leaves no pin, and its blocks are removed at the next opening', async () => {
    await using folder = await temporaryFolder();
    const before = await openBlockVault({ folder: folder.path });
    const kept = await before.put(inChunks(bytesOf('kept', MIB + 1)));
    await before[Symbol.asyncDispose]();
    {
      await using writer = start('writer-process.ts', folder.path);
      expect(await writer.line()).toBe('half-way');
    }
    expect((await blockFiles(folder.path)).length).toBeGreaterThan(3);
    await writeFile(join(folder.path, 'unfinished', 'half-a-block'), 'cut sho');
    await using after = await openBlockVault({ folder: folder.path });
    expect(after.pins()).toEqual([kept]);
    expect(await blockFiles(folder.path)).toHaveLength(3);
    expect(await readdir(join(folder.path, 'unfinished'))).toEqual([]);
    expect(digestOf(await collect(after.get(kept.cid, kept)))).toBe(digestOf(bytesOf('kept', MIB + 1)));
  });
});

describe('two processes on one folder', () => {
  it('do not take away what the other is writing', async () => {
    await using folder = await temporaryFolder();
    await using writer = start('writer-process.ts', folder.path);
    expect(await writer.line()).toBe('half-way');
    await using vault = await openBlockVault({ folder: folder.path });
    const gone = await vault.put(inChunks(bytesOf('gone', 10)));
    await vault.unpin(gone.cid);
    writer.child.stdin.write('go on\n');
    const cid = parseCid(await writer.line());
    expect(vault.pins().map((pin) => pin.cid)).toEqual([cid]);
    expect(await vault.verify(cid)).toEqual({
      blocks: 18,
      sizeBytes: 16 * MIB + 10,
      missing: 0,
      corrupt: 0,
      repaired: 0,
    });
    await writer.ended;
    const mine = await vault.put(inChunks(bytesOf('mine', 10)));
    await vault.unpin(mine.cid);
    expect(await blockFiles(folder.path)).toHaveLength(18);
  });

  it('may both be the first', async () => {
    await using folder = await temporaryFolder();
    await using one = start('writer-process.ts', folder.path);
    await using two = start('writer-process.ts', folder.path);
    expect(await Promise.all([one.line(), two.line()])).toEqual(['half-way', 'half-way']);
    one.child.stdin.write('go on\n');
    two.child.stdin.write('go on\n');
    const [first, second] = await Promise.all([one.line(), two.line()]);
    expect(first).toBe(second);
    await using vault = await openBlockVault({ folder: folder.path });
    expect(await vault.verify(parseCid(first))).toMatchObject({ blocks: 18, missing: 0, corrupt: 0 });
  });
});

describe('memory', () => {
  it('stays flat while 256 MiB go in and come out, here and through a gateway', async () => {
    await using folder = await temporaryFolder();
    await using run = start('memory-process.ts', folder.path, '256');
    expect(Number(await run.line())).toBeLessThan(100);
  });
});

describe('a full disk', () => {
  const mountable = canMount();
  it.skipIf(!mountable)(
    `keeps nothing of the put, says DISK_FULL and goes on${mountable ? '' : ' (skipped: needs root to mount a small tmpfs)'}`,
    async () => {
      await using folder = await temporaryFolder();
      const small = join(folder.path, 'small');
      await mkdir(small);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', small]);
      try {
        await using replica = await temporaryVault();
        const gateway = await serveGateway(replica, { host: '127.0.0.1', port: 0 });
        const faults: VaultFault[] = [];
        await using vault = await openBlockVault({
          folder: small,
          holders: [gateway.url],
          onFault: (fault) => faults.push(fault),
        });
        const kept = await vault.put(inChunks(bytesOf('kept', MIB)));
        expect((await failureOf(vault.put(inChunks(bytesOf('too much', 12 * MIB))))).code).toBe('DISK_FULL');
        expect(vault.pins()).toEqual([kept]);
        expect(await blockFiles(small)).toHaveLength(1);
        expect(await readdir(join(small, 'unfinished'))).toEqual([]);
        await vault.unpin((await vault.put(inChunks(bytesOf('fits', 2 * MIB)))).cid);
        expect(digestOf(await collect(vault.get(kept.cid, kept)))).toBe(digestOf(bytesOf('kept', MIB)));

        await replica.put(inChunks(bytesOf('kept', MIB)));
        const [file = ''] = await blockFiles(small);
        await damageFile(file, 'flip');
        await writeFile(join(small, 'filler'), new Uint8Array(6 * MIB)).catch(() => undefined);
        const result = await vault.verify(kept.cid, { repair: true });
        expect(result).toMatchObject({ corrupt: 1, repaired: 0 });
        expect(digestOf(await collect(vault.get(kept.cid, kept)))).toBe(digestOf(bytesOf('kept', MIB)));
        expect(faults[1]).toMatchObject({ kind: 'corrupt', repaired: false, cause: { code: 'DISK_FULL' } });
        await gateway.close();
      } finally {
        execFileSync('umount', [small]);
      }
    },
  );
});

function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

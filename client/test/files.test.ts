import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFileStream, writeVerified } from '../src/index.ts';
import { bytesOf, collect } from './fixture/federation.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-files-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function* failing(): AsyncGenerator<Uint8Array> {
  yield* bytesOf('half of a record');
  throw new Error('COMMITMENT_MISMATCH');
}

describe('a verified file', () => {
  test('appears whole under its name, for its owner only', async () => {
    const file = join(folder, 'whole');
    const progress: number[] = [];
    const seen: string[][] = [];
    const source = async function* () {
      yield* bytesOf('one');
      seen.push((await readdir(folder)).filter((name) => !name.endsWith('.part')));
      yield* bytesOf('two');
    };
    expect(await writeVerified(file, source(), { onProgress: (bytes) => progress.push(bytes) })).toEqual({
      sizeBytes: 6,
    });
    expect(await readFile(file, 'utf8')).toBe('onetwo');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(progress).toEqual([3, 6]);
    expect(seen).toEqual([[]]);
  });

  test('does not appear at all when the record fails, and an older one stays', async () => {
    await expect(writeVerified(join(folder, 'partial'), failing())).rejects.toThrow('COMMITMENT_MISMATCH');
    await writeFile(join(folder, 'older'), 'older');
    await expect(writeVerified(join(folder, 'older'), failing())).rejects.toThrow('COMMITMENT_MISMATCH');
    expect(await readFile(join(folder, 'older'), 'utf8')).toBe('older');
    const aborted = { signal: AbortSignal.abort(new Error('closed')) };
    await expect(writeVerified(join(folder, 'aborted'), bytesOf('x'), aborted)).rejects.toThrow('closed');
    expect((await readdir(folder)).toSorted()).toEqual(['older', 'whole']);
  });

  test('is read back piece by piece with progress', async () => {
    const file = join(folder, 'read');
    const bytes = Buffer.alloc(2_500_000, 7);
    await writeFile(file, bytes);
    const progress: number[] = [];
    expect(await collect(readFileStream(file, { onProgress: (size) => progress.push(size) }))).toEqual(bytes);
    expect(progress).toEqual([1_048_576, 2_097_152, 2_500_000]);
    await expect(collect(readFileStream(join(folder, 'nowhere')))).rejects.toThrow('ENOENT');
    await expect(collect(readFileStream(file, { signal: AbortSignal.abort() }))).rejects.toThrow('abort');
  });
});

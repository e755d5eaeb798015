import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { base32upper } from 'multiformats/bases/base32';
import { CID } from 'multiformats/cid';
import { describe, expect, it } from 'vitest';
import { openBlockVault } from '../src/index.ts';
import { type Engine, vaultConformance } from './conformance.ts';
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
} from './fixtures.ts';

async function embedded(): Promise<Engine & AsyncDisposable> {
  const folder = await temporaryFolder();
  return {
    open: (options) => openBlockVault({ folder: folder.path, ...options }),
    async damage(cid, how) {
      const name = base32upper.encode(CID.parse(cid).multihash.bytes);
      await damageFile(join(folder.path, 'blocks', name.slice(-2), `${name}.data`), how);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe('the embedded vault', () => {
  vaultConformance(embedded);

  it('remembers its pins after it was closed', async () => {
    await using folder = await temporaryFolder();
    const bytes = bytesOf('again', MIB + 1);
    const first = await openBlockVault({ folder: folder.path });
    const { cid, sizeBytes } = await first.put(inChunks(bytes));
    await first[Symbol.asyncDispose]();
    await using second = await openBlockVault({ folder: folder.path });
    expect(second.pins()).toEqual([{ cid, sizeBytes }]);
    expect(digestOf(await collect(second.get(cid, { sizeBytes })))).toBe(digestOf(bytes));
  });

  it('removes with a pin the blocks no other pin needs', async () => {
    await using folder = await temporaryFolder();
    await using vault = await openBlockVault({ folder: folder.path });
    const shared = bytesOf('shared', MIB);
    const one = await vault.put(inChunks(Buffer.concat([shared, bytesOf('one', 10)])));
    const two = await vault.put(inChunks(Buffer.concat([shared, bytesOf('two', 10)])));
    expect(await blockFiles(folder.path)).toHaveLength(5);
    await vault.unpin(one.cid);
    expect(await blockFiles(folder.path)).toHaveLength(3);
    expect(await vault.verify(two.cid)).toMatchObject({ blocks: 3, missing: 0 });
    await vault.unpin(two.cid);
    expect(await blockFiles(folder.path)).toEqual([]);
    expect(vault.pins()).toEqual([]);
  });

  it('leaves nothing of a put that failed, but what was there before', async () => {
    await using folder = await temporaryFolder();
    await using vault = await openBlockVault({ folder: folder.path });
    const before = await vault.put(inChunks(bytesOf('shared', MIB)));
    async function* broken() {
      yield bytesOf('shared', MIB);
      yield bytesOf('more', 6 * MIB);
      throw new Error('the source broke');
    }
    await expect(vault.put(broken())).rejects.toThrow('the source broke');
    expect(await blockFiles(folder.path)).toHaveLength(1);
    expect(vault.pins()).toEqual([before]);
  });

  it('collects later what it could not while another put was under way', async () => {
    await using folder = await temporaryFolder();
    await using vault = await openBlockVault({ folder: folder.path });
    const { cid } = await vault.put(inChunks(bytesOf('gone', 10)));
    const released = Promise.withResolvers<void>();
    async function* slow() {
      yield bytesOf('slow', 10);
      await released.promise;
    }
    const putting = vault.put(slow());
    await vault.unpin(cid);
    expect(await blockFiles(folder.path)).toHaveLength(1);
    released.resolve();
    const { cid: kept } = await putting;
    expect(await vault.blocks.read(cid)).toBe('missing');
    expect(await vault.verify(kept)).toMatchObject({ blocks: 1, missing: 0 });
  });

  it('takes many puts at once, some of the same bytes', async () => {
    await using folder = await temporaryFolder();
    await using vault = await openBlockVault({ folder: folder.path });
    const warnings: unknown[] = [];
    const note = (warning: unknown) => warnings.push(warning);
    process.on('warning', note);
    const seeds = Array.from({ length: 40 }, (_, n) => `put ${n % 20}`);
    const stored = await Promise.all(seeds.map((seed) => vault.put(inChunks(bytesOf(seed, 1000)))));
    await Promise.all(stored.slice(0, 20).map(({ cid }, n) => (n < 10 ? vault.unpin(cid) : vault.verify(cid))));
    process.off('warning', note);
    expect(
      vault
        .pins()
        .map((pin) => pin.cid)
        .toSorted(),
    ).toEqual(
      stored
        .slice(10, 20)
        .map((put) => put.cid)
        .toSorted(),
    );
    expect(await blockFiles(folder.path)).toHaveLength(10);
    expect(warnings).toEqual([]);
  });

  it('mends a damaged block when the same bytes are put again', async () => {
    await using engine = await embedded();
    await using vault = await engine.open({});
    const { cid, sizeBytes } = await vault.put(inChunks(bytesOf('twice', 5000)));
    await engine.damage(cid, 'flip');
    await vault.put(inChunks(bytesOf('twice', 5000)));
    expect(digestOf(await collect(vault.get(cid, { sizeBytes })))).toBe(digestOf(bytesOf('twice', 5000)));
  });

  it('ignores strange files among its blocks', async () => {
    await using folder = await temporaryFolder();
    const first = await openBlockVault({ folder: folder.path });
    await first.put(inChunks(bytesOf('block', 10)));
    await writeFile(join(folder.path, 'blocks', 'README.data'), 'not a block');
    await first[Symbol.asyncDispose]();
    await using second = await openBlockVault({ folder: folder.path });
    expect(second.pins()).toHaveLength(1);
  });

  it.each([
    ['lost', (file: string) => rm(file)],
    ['overwritten', (file: string) => writeFile(file, bytesOf('noise', 8192))],
  ])('does not take a folder whose list of pins was %s for an empty one', async (_, spoil) => {
    await using folder = await temporaryFolder();
    const first = await openBlockVault({ folder: folder.path });
    await first.put(inChunks(bytesOf('precious', 10)));
    await first[Symbol.asyncDispose]();
    await spoil(join(folder.path, 'pins.sqlite'));
    expect((await failureOf(openBlockVault({ folder: folder.path }))).code).toBe('STORE_DAMAGED');
    expect(await blockFiles(folder.path)).toHaveLength(1);
  });
});

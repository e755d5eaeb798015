import { describe, expect, it } from 'vitest';
import { type Cid, MAX_LEVELS, openBlockVault, openRemoteVault } from '../src/index.ts';
import { blockFiles, bytesOf, collect, DagForge, digestOf, failureOf, holderOf, temporaryFolder } from './fixtures.ts';

/** What reading the root at this signed size comes to, and what the holder was asked for. */
async function read(forge: DagForge, root: Cid, sizeBytes: number) {
  await using holder = await holderOf(forge.blocks);
  await using vault = openRemoteVault({ holders: [holder.url] });
  const failure = await failureOf(collect(vault.get(root, { sizeBytes })));
  return { ...failure, asked: holder.asked };
}

async function chain(forge: DagForge, levels: number): Promise<Cid> {
  let root = await forge.leaf(bytesOf('deep', 100_000));
  for (let level = 1; level < levels; level += 1) root = await forge.node([{ hash: root, sizeBytes: 100_000 }]);
  return root;
}

describe('a DAG made to harm', () => {
  it('is read when it is unusual but in bounds', async () => {
    const forge = new DagForge();
    const root = await chain(forge, MAX_LEVELS);
    await using holder = await holderOf(forge.blocks);
    await using vault = openRemoteVault({ holders: [holder.url] });
    expect(digestOf(await collect(vault.get(root, { sizeBytes: 100_000 })))).toBe(digestOf(bytesOf('deep', 100_000)));
  });

  it.each([MAX_LEVELS + 1, 50])('is given up below six levels when it has %i', async (levels) => {
    const forge = new DagForge();
    const { code, asked } = await read(forge, await chain(forge, levels), 100_000);
    expect(code).toBe('DAG_TOO_DEEP');
    expect(asked).toHaveLength(MAX_LEVELS);
  });

  it('is refused at its root when it is larger than what was signed', async () => {
    const forge = new DagForge();
    const leaf = await forge.leaf(bytesOf('leaf', 1000));
    const root = await forge.node(Array.from({ length: 10 }, () => ({ hash: leaf, sizeBytes: 1000 })));
    expect(await read(forge, root, 9000)).toEqual({ code: 'SIZE_MISMATCH', cid: root, asked: [root] });
  });

  it.each([999, 1001])('is refused when a leaf of 1000 bytes is declared as %i', async (declared) => {
    const forge = new DagForge();
    const leaf = await forge.leaf(bytesOf('leaf', 1000));
    const root = await forge.node([{ hash: leaf, sizeBytes: declared }]);
    expect(await read(forge, root, declared)).toMatchObject({ code: 'SIZE_MISMATCH', cid: leaf });
  });

  it('is refused when a node below declares more than the node above', async () => {
    const forge = new DagForge();
    const leaf = await forge.leaf(bytesOf('leaf', 1000));
    const below = await forge.node([
      { hash: leaf, sizeBytes: 1000 },
      { hash: leaf, sizeBytes: 1000 },
    ]);
    const root = await forge.node([{ hash: below, sizeBytes: 1000 }]);
    expect(await read(forge, root, 1000)).toMatchObject({ code: 'SIZE_MISMATCH', cid: below });
  });

  it('is refused when its blocks are too many for its size', async () => {
    const forge = new DagForge();
    const leaf = await forge.leaf(Uint8Array.of(7));
    const root = await forge.node(Array.from({ length: 1024 }, () => ({ hash: leaf, sizeBytes: 1 })));
    const { code, asked } = await read(forge, root, 1024);
    expect(code).toBe('DAG_INVALID');
    expect(asked.length).toBeLessThan(40);
  });

  const leafBytes = bytesOf('leaf', 1000);
  const odd: Record<string, (forge: DagForge, leaf: Cid) => Promise<Cid>> = {
    'a node of too many links': (forge, leaf) =>
      forge.node(Array.from({ length: 1025 }, () => ({ hash: leaf, sizeBytes: 1000 }))),
    'a node without links': (forge) => forge.node([]),
    'an empty child': (forge, leaf) =>
      forge.node([
        { hash: leaf, sizeBytes: 1000 },
        { hash: leaf, sizeBytes: 0 },
      ]),
    'content inside a node': (forge, leaf) => forge.node([{ hash: leaf, sizeBytes: 1000 }], { data: leafBytes }),
    'a directory': (forge, leaf) => forge.node([{ hash: leaf, sizeBytes: 1000, name: 'file' }], { type: 'directory' }),
    'a named link': (forge, leaf) => forge.node([{ hash: leaf, sizeBytes: 1000, name: 'file' }]),
    'no UnixFS inside': (forge, leaf) => forge.nodeWith(Uint8Array.of(0xff, 0xff), [{ hash: leaf, sizeBytes: 1000 }]),
    'a declared size that is not the sum': (forge, leaf) =>
      forge.nodeWith(Uint8Array.of(0x08, 2, 0x18, 0x01, 0x20, 0xe8, 0x07), [{ hash: leaf, sizeBytes: 1000 }]),
    'fewer sizes than links': (forge, leaf) =>
      forge.nodeWith(Uint8Array.of(0x08, 2, 0x18, 0), [{ hash: leaf, sizeBytes: 1000 }]),
    'a link to content inside its own CID': (forge) =>
      forge.node([{ hash: { toString: () => 'bafkqaaa' }, sizeBytes: 1000 }]),
    'a link of version 0': (forge) =>
      forge.node([{ hash: { toString: () => 'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n' }, sizeBytes: 1000 }]),
  };

  it.each(Object.keys(odd))('is refused for %s, without asking further', async (what) => {
    const forge = new DagForge();
    const leaf = await forge.leaf(leafBytes);
    const root = await (odd[what] as (typeof odd)[string])(forge, leaf);
    expect(await read(forge, root, 1000)).toEqual({ code: 'DAG_INVALID', cid: root, asked: [root] });
  });

  it('is refused when a block is no DAG-PB at all', async () => {
    const forge = new DagForge();
    const root = await forge.block(0x70, bytesOf('noise', 64));
    expect(await read(forge, root, 64)).toMatchObject({ code: 'DAG_INVALID', cid: root });
  });

  it('leaves nothing behind when it was to be pinned', async () => {
    const forge = new DagForge();
    const root = await chain(forge, 10);
    await using holder = await holderOf(forge.blocks);
    await using folder = await temporaryFolder();
    await using vault = await openBlockVault({ folder: folder.path, holders: [holder.url] });
    expect((await failureOf(vault.pin(root, { sizeBytes: 100_000 }))).code).toBe('DAG_TOO_DEEP');
    expect(await blockFiles(folder.path)).toEqual([]);
    expect(vault.pins()).toEqual([]);
  });
});

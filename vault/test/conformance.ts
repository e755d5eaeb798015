import { decode } from '@ipld/dag-pb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseCid, type StoredVault, serveGateway, type VaultFault } from '../src/index.ts';
import { bytesOf, collect, digestOf, failureOf, inChunks, MIB, temporaryVault } from './fixtures.ts';

/** An engine under test. `damage` spoils or removes blocks behind the vault's back. */
export interface Engine {
  open(options: { holders?: string[]; onFault?: (fault: VaultFault) => void }): Promise<StoredVault>;
  damage(cid: string, how: 'flip' | 'remove'): Promise<void>;
}

/** What holds for every engine. Call it inside a `describe`. */
export function vaultConformance(start: () => Promise<Engine & AsyncDisposable>): void {
  let engine: Engine & AsyncDisposable;
  let vault: StoredVault;
  let replica: StoredVault;
  let gateway: Awaited<ReturnType<typeof serveGateway>>;
  const faults: VaultFault[] = [];

  beforeAll(async () => {
    engine = await start();
    replica = await temporaryVault();
    gateway = await serveGateway(replica, { host: '127.0.0.1', port: 0 });
    vault = await engine.open({ holders: [gateway.url], onFault: (fault) => faults.push(fault) });
  }, 60_000);

  afterAll(async () => {
    await gateway.close();
    await vault[Symbol.asyncDispose]();
    await replica[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });

  const stored = async (into: StoredVault, seed: string, sizeBytes: number) => {
    const bytes = bytesOf(seed, sizeBytes);
    return { bytes, ...(await into.put(inChunks(bytes))) };
  };

  it.each([0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])('gives back %i bytes as they were', async (sizeBytes) => {
    const { cid, bytes, sizeBytes: counted } = await stored(vault, 'whole', sizeBytes);
    expect(counted).toBe(sizeBytes);
    expect(digestOf(await collect(vault.get(cid, { sizeBytes })))).toBe(digestOf(bytes));
  });

  it('gives the same CID as every other engine', async () => {
    const { cid } = await stored(vault, 'same', 2 * MIB + 5);
    expect(cid).toBe('bafybeiaeqqyqvok4zr2wv5ctvftrwacjmz2pd4dvj6p4gouukijtyhpsgy');
  });

  it('gives any range', async () => {
    const sizeBytes = 3 * MIB + 7;
    const { cid, bytes } = await stored(vault, 'range', sizeBytes);
    for (const [offset, length] of [
      [0, 0],
      [0, 1],
      [MIB - 1, 2],
      [MIB, MIB],
      [5, sizeBytes - 5],
      [sizeBytes - 1, 1],
      [sizeBytes, 0],
    ] as const) {
      const part = await collect(vault.get(cid, { sizeBytes, offset, length }));
      expect(part.equals(bytes.subarray(offset, offset + length)), `${offset}+${length}`).toBe(true);
    }
  });

  it('refuses ranges outside the size', async () => {
    const { cid } = await stored(vault, 'outside', 10);
    for (const range of [
      { offset: 11 },
      { offset: 5, length: 6 },
      { offset: -1 },
      { length: 0.5 },
      { length: Number.NaN },
    ]) {
      expect(await failureOf(collect(vault.get(cid, { sizeBytes: 10, ...range }))), JSON.stringify(range)).toEqual({
        code: 'RANGE_INVALID',
        cid,
      });
    }
  });

  it.each([10, MIB + 10])('refuses a signed size that is not the size of %i bytes', async (sizeBytes) => {
    const { cid } = await stored(vault, 'size', sizeBytes);
    for (const signed of [sizeBytes - 1, sizeBytes + 1, 0]) {
      expect(await failureOf(collect(vault.get(cid, { sizeBytes: signed })))).toEqual({ code: 'SIZE_MISMATCH', cid });
    }
  });

  it('tells how far it is', async () => {
    const put: number[] = [];
    const got: number[] = [];
    const bytes = bytesOf('progress', 2 * MIB);
    const { cid } = await vault.put(inChunks(bytes, MIB), { onProgress: (n) => put.push(n) });
    await collect(vault.get(cid, { sizeBytes: 2 * MIB, onProgress: (n) => got.push(n) }));
    expect(put).toEqual([MIB, 2 * MIB]);
    expect(got).toEqual([MIB, 2 * MIB]);
  });

  it('passes on what the source throws', async () => {
    async function* broken() {
      yield new Uint8Array(10);
      throw new Error('the source broke');
    }
    await expect(vault.put(broken())).rejects.toThrow('the source broke');
  });

  it('stops a put whose source is silent when the signal says so', async () => {
    const stop = new AbortController();
    async function* silent() {
      yield new Uint8Array(10);
      stop.abort(new Error('enough'));
      await new Promise<never>(() => undefined);
    }
    await expect(vault.put(silent(), { signal: stop.signal })).rejects.toThrow('enough');
  });

  it('pins what another holder has, and has it then itself', async () => {
    const { cid, bytes, sizeBytes } = await stored(replica, 'pin', 2 * MIB + 1);
    expect(await vault.blocks.read(cid)).toBe('missing');
    await vault.pin(cid, { sizeBytes });
    await vault.pin(cid, { sizeBytes });
    expect(await vault.verify(cid)).toEqual({ blocks: 4, sizeBytes, missing: 0, corrupt: 0, repaired: 0 });
    expect(digestOf(await collect(vault.get(cid, { sizeBytes })))).toBe(digestOf(bytes));
  });

  it('reads from another holder what it does not keep, without keeping it', async () => {
    const { cid, bytes, sizeBytes } = await stored(replica, 'pass through', MIB + 1);
    expect(digestOf(await collect(vault.get(cid, { sizeBytes })))).toBe(digestOf(bytes));
    expect(await vault.blocks.read(cid)).toBe('missing');
  });

  it('does not pin under a wrong size', async () => {
    const { cid, sizeBytes } = await stored(replica, 'wrong pin', MIB + 1);
    expect(await failureOf(vault.pin(cid, { sizeBytes: sizeBytes + 1 }))).toEqual({ code: 'SIZE_MISMATCH', cid });
    expect(await vault.blocks.read(cid)).toBe('missing');
  });

  it('lets go of what was never pinned without a word', async () => {
    const { cid } = await stored(replica, 'never pinned', 3);
    await expect(vault.unpin(cid)).resolves.toBeUndefined();
  });

  it.each(['flip', 'remove'] as const)(
    'notices a block lost by %s, reads on from another holder and mends it',
    async (how) => {
      const { cid, bytes, sizeBytes } = await stored(replica, how, 2 * MIB);
      await vault.pin(cid, { sizeBytes });
      const leaf = await leafOf(vault, cid);
      await engine.damage(leaf, how);
      const kind = how === 'flip' ? 'corrupt' : 'missing';
      expect(await vault.blocks.read(leaf)).toBe(kind);
      const before = { ...vault.faults };
      faults.length = 0;
      expect(digestOf(await collect(vault.get(cid, { sizeBytes })))).toBe(digestOf(bytes));
      expect(await vault.blocks.read(leaf)).toBeInstanceOf(Uint8Array);
      expect(faults).toEqual([{ kind, cid: leaf, repaired: true, cause: undefined }]);
      expect(vault.faults).toEqual({ ...before, [kind]: before[kind] + 1, repaired: before.repaired + 1 });
    },
  );

  it('mends pinned blocks though tops are lost, of their own file and of another', async () => {
    const files = await Promise.all(['one', 'another'].map((name) => stored(replica, `tops ${name}`, 2 * MIB)));
    for (const { cid, sizeBytes } of files) await vault.pin(cid, { sizeBytes });
    const [first, second] = await Promise.all(files.map(({ cid }) => leafOf(vault, cid)));
    for (const { cid } of files) await engine.damage(cid, 'remove');
    for (const leaf of [first, second]) await engine.damage(leaf ?? '', 'remove');
    for (const { cid, sizeBytes } of files) {
      const { length } = await collect(vault.get(cid, { sizeBytes }));
      expect([length, await vault.verify(cid)]).toMatchObject([sizeBytes, { blocks: 3, missing: 0 }]);
    }
  });

  it('counts bad blocks, and mends them only when told', async () => {
    const { cid, sizeBytes } = await stored(replica, 'verify', 2 * MIB);
    await vault.pin(cid, { sizeBytes });
    const leaf = await leafOf(vault, cid);
    await engine.damage(leaf, 'flip');
    const found = { blocks: 3, sizeBytes, missing: 0, corrupt: 1, repaired: 0 };
    expect(await vault.verify(cid)).toEqual(found);
    expect(await vault.verify(cid, { repair: true })).toEqual({ ...found, repaired: 1 });
    expect(await vault.verify(cid)).toEqual({ ...found, corrupt: 0 });
  });

  it('names the block that nobody has in order', async () => {
    for (const [how, code] of [
      ['flip', 'BLOCK_CORRUPT'],
      ['remove', 'BLOCK_MISSING'],
    ] as const) {
      const { cid, sizeBytes } = await stored(vault, `nobody ${how}`, 2 * MIB);
      const leaf = await leafOf(vault, cid);
      await engine.damage(leaf, how);
      expect(await failureOf(collect(vault.get(cid, { sizeBytes })))).toEqual({ code, cid: leaf });
    }
  });

  it('refuses every call after it was closed', async () => {
    const { cid } = await stored(vault, 'closed', 3);
    const second = await engine.open({});
    await second[Symbol.asyncDispose]();
    expect((await failureOf(collect(second.get(cid, { sizeBytes: 3 })))).code).toBe('CLOSED');
    expect((await failureOf(second.put(inChunks(bytesOf('late', 3))))).code).toBe('CLOSED');
    expect((await failureOf(second.unpin(cid))).code).toBe('CLOSED');
    expect((await failureOf(second.verify(cid))).code).toBe('CLOSED');
    expect((await failureOf(second.pin(cid, { sizeBytes: 3 }))).code).toBe('CLOSED');
    expect((await failureOf(second.blocks.read(cid))).code).toBe('CLOSED');
  });
}

async function leafOf(vault: StoredVault, root: string) {
  const bytes = await vault.blocks.read(parseCid(root));
  if (!(bytes instanceof Uint8Array)) throw new Error('no root');
  return parseCid(String(decode(bytes).Links[1]?.Hash));
}

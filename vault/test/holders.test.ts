import { describe, expect, it } from 'vitest';
import { walkDag } from '../src/dag.ts';
import { MAX_BLOCK_BYTES, openBlockVault, openRemoteVault, serveGateway, type VaultFault } from '../src/index.ts';
import {
  bytesOf,
  cidAsked,
  collect,
  DagForge,
  digestOf,
  failureOf,
  holderOf,
  inChunks,
  listen,
  MIB,
  temporaryFolder,
} from './fixtures.ts';

const SIZE_BYTES = 3 * MIB + 5;
const BYTES = bytesOf('held', SIZE_BYTES);

/** A vault that has the bytes, and its gateway. */
async function goodHolder() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const vault = stack.use(await openBlockVault({ folder: folder.path }));
  const gateway = stack.adopt(await serveGateway(vault, { host: '127.0.0.1', port: 0 }), (served) => served.close());
  const { cid } = await vault.put(inChunks(BYTES));
  return { vault, cid, url: gateway.url, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function kinds(faults: VaultFault[]) {
  return faults.map((fault) => `${fault.kind} ${'holder' in fault ? fault.holder : ''}`);
}

describe('a vault that reads from holders', () => {
  it('reads, ranges and verifies without a store of its own', async () => {
    await using good = await goodHolder();
    await using vault = openRemoteVault({ holders: () => [good.url] });
    expect(digestOf(await collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES })))).toBe(digestOf(BYTES));
    const part = await collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES, offset: MIB - 1, length: 2 }));
    expect(part).toEqual(BYTES.subarray(MIB - 1, MIB + 1));
    expect(await vault.verify(good.cid)).toEqual({
      blocks: 5,
      sizeBytes: SIZE_BYTES,
      missing: 0,
      corrupt: 0,
      repaired: 0,
    });
  });

  it('keeps nothing', async () => {
    await using vault = openRemoteVault({ holders: [] });
    await using good = await goodHolder();
    expect((await failureOf(vault.put(inChunks(BYTES)))).code).toBe('READ_ONLY');
    expect((await failureOf(vault.pin(good.cid, { sizeBytes: SIZE_BYTES }))).code).toBe('READ_ONLY');
    expect((await failureOf(vault.unpin(good.cid))).code).toBe('READ_ONLY');
  });

  it('asks only for the blocks a range needs', async () => {
    await using good = await goodHolder();
    let asked = 0;
    const counting: typeof fetch = (input, init) => {
      asked += 1;
      return fetch(input, init);
    };
    await using vault = openRemoteVault({ holders: [good.url], fetch: counting });
    await collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES, offset: 2 * MIB, length: 1 }));
    expect(asked).toBe(2);
  });

  it('does not read far ahead of a reader who is slow', async () => {
    const forge = new DagForge();
    const leaves = await Promise.all(Array.from({ length: 40 }, (_, n) => forge.leaf(bytesOf(`leaf ${n}`, 40_000))));
    const root = await forge.node(leaves.map((hash) => ({ hash, sizeBytes: 40_000 })));
    await using holder = await holderOf(forge.blocks);
    await using vault = openRemoteVault({ holders: [holder.url] });
    const reading = vault.get(root, { sizeBytes: 40 * 40_000 });
    for (const _ of [1, 2, 3]) expect((await reading.next()).done).toBe(false);
    await reading.return();
    expect(holder.asked.length).toBeLessThan(12);
  });

  const bad: Record<string, Parameters<typeof listen>[0]> = {
    'sends other bytes': (_, response) => void response.end(bytesOf('a lie', 1000)),
    'cuts blocks short': (_, response) =>
      void response.writeHead(200, { 'content-length': 1000 }).end(Buffer.alloc(999), () => response.destroy()),
    'never stops sending': (_, response) => {
      response.on('close', () => clearInterval(timer));
      const timer = setInterval(() => response.write(Buffer.alloc(MIB)), 1);
    },
    'never answers': () => undefined,
    'answers and then stalls': (_, response) => void response.writeHead(200).write('x'),
    fails: (_, response) => void response.writeHead(500).end(),
    'sends elsewhere': (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    'hangs up': (_, response) => void response.destroy(),
  };

  it.each(Object.keys(bad))('goes on to the next holder when one %s, and asks it last from then on', async (how) => {
    await using good = await goodHolder();
    let asked = 0;
    await using broken = await listen((request, response) => {
      asked += 1;
      bad[how]?.(request, response);
    });
    const faults: VaultFault[] = [];
    await using vault = openRemoteVault({
      holders: [broken.url, good.url],
      holderTimeoutMs: 300,
      onFault: (fault) => faults.push(fault),
    });
    expect(digestOf(await collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES })))).toBe(digestOf(BYTES));
    expect(asked).toBe(1);
    const lied = how === 'sends other bytes' || how === 'never stops sending';
    expect(kinds(faults)).toEqual([`holder-${lied ? 'corrupt' : 'unavailable'} ${broken.url}`]);
  });

  it('passes over a holder that does not have the block without blame', async () => {
    await using good = await goodHolder();
    await using empty = await holderOf(new Map());
    const faults: VaultFault[] = [];
    await using vault = openRemoteVault({ holders: [empty.url, good.url], onFault: (fault) => faults.push(fault) });
    expect(digestOf(await collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES })))).toBe(digestOf(BYTES));
    expect(empty.asked).toEqual([good.cid]);
    expect(faults).toEqual([]);
  });

  it('puts a file together from holders that each have a part', async () => {
    await using good = await goodHolder();
    const parts = [new Map(), new Map()];
    let turn = 0;
    for (const cid of await cidsOf(good)) parts[turn++ % 2]?.set(cid, await good.vault.blocks.read(cid));
    await using one = await holderOf(parts[0] as Map<never, never>);
    await using two = await holderOf(parts[1] as Map<never, never>);
    await using vault = openRemoteVault({ holders: [one.url, two.url] });
    expect(digestOf(await collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES })))).toBe(digestOf(BYTES));
  });

  it('tells apart missing, corrupt and unreachable when nobody can help', async () => {
    await using good = await goodHolder();
    const { cid } = good;
    await using empty = await holderOf(new Map());
    await using liar = await holderOf(new Map([[cid, Buffer.alloc(MAX_BLOCK_BYTES)]]));
    const outcome = async (holders: string[]) => {
      await using vault = openRemoteVault({ holders });
      return await failureOf(collect(vault.get(cid, { sizeBytes: SIZE_BYTES })));
    };
    expect(await outcome([])).toEqual({ code: 'BLOCK_MISSING', cid });
    expect(await outcome([empty.url])).toEqual({ code: 'BLOCK_MISSING', cid });
    expect(await outcome([empty.url, liar.url])).toEqual({ code: 'BLOCK_CORRUPT', cid });
    expect(await outcome([empty.url, liar.url, 'http://127.0.0.1:1'])).toEqual({ code: 'UNAVAILABLE', cid });
    expect(await outcome(['not a URL'])).toEqual({ code: 'UNAVAILABLE', cid });
  });

  it('stops at once when the signal says so', async () => {
    await using good = await goodHolder();
    const stop = new AbortController();
    await using silent = await listen(() => stop.abort(new Error('enough')));
    await using vault = openRemoteVault({ holders: [silent.url, good.url] });
    await expect(collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES, signal: stop.signal }))).rejects.toThrow(
      'enough',
    );
  });

  it('stops reading when it is closed', async () => {
    await using good = await goodHolder();
    const reached = Promise.withResolvers<void>();
    await using silent = await listen((request) => {
      cidAsked(request);
      reached.resolve();
    });
    const vault = openRemoteVault({ holders: [silent.url] });
    const reading = failureOf(collect(vault.get(good.cid, { sizeBytes: SIZE_BYTES })));
    await reached.promise;
    await vault[Symbol.asyncDispose]();
    expect((await reading).code).toBe('CLOSED');
  });
});

async function cidsOf(good: Awaited<ReturnType<typeof goodHolder>>) {
  const read = async (cid: typeof good.cid) => (await good.vault.blocks.read(cid)) as Uint8Array;
  return (await Array.fromAsync(walkDag(good.cid, { read }))).map((block) => block.cid);
}

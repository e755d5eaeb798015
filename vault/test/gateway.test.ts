import { request } from 'node:http';
import { CarReader } from '@ipld/car';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cid, openBlockVault, openRemoteVault, parseCid, type StoredVault, serveGateway } from '../src/index.ts';
import {
  blockFiles,
  bytesOf,
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

const SIZE_BYTES = 2 * MIB + 5;
const BYTES = bytesOf('served', SIZE_BYTES);

describe('the trustless gateway', () => {
  const stack = new AsyncDisposableStack();
  let vault: StoredVault;
  let url: string;
  let cid: Cid;
  let folder: string;

  beforeAll(async () => {
    folder = stack.use(await temporaryFolder()).path;
    vault = stack.use(await openBlockVault({ folder }));
    url = stack.adopt(await serveGateway(vault, { host: '127.0.0.1', port: 0 }), (gateway) => gateway.close()).url;
    cid = (await vault.put(inChunks(BYTES))).cid;
  });

  afterAll(() => stack.disposeAsync());

  const ask = (path: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<{
      status: number;
      headers: NodeJS.Dict<string | string[]>;
      body: Buffer;
    }>();
    const asked = request(url, { path, method: init.method ?? 'GET', headers: init.headers ?? {} }, (response) => {
      collect(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    asked.on('error', reject).end(init.body);
    return promise;
  };
  const carOf = async (query: string, root = cid) => {
    const { status, body } = await ask(`/ipfs/${root}?format=car${query}`);
    expect(status).toBe(200);
    const car = await CarReader.fromBytes(body);
    const blocks = await Array.fromAsync(car.blocks());
    return {
      roots: (await car.getRoots()).map(String),
      blocks: blocks.map((block) => ({ cid: String(block.cid), bytes: block.bytes })),
    };
  };

  it('gives a raw block with the headers of the specification', async () => {
    const { status, headers, body } = await ask(`/ipfs/${cid}?format=raw`);
    expect(status).toBe(200);
    expect(body).toEqual(await vault.blocks.read(cid));
    expect(headers).toMatchObject({
      'content-type': 'application/vnd.ipld.raw',
      'content-length': String(body.length),
      'cache-control': 'public, max-age=29030400, immutable',
      'x-content-type-options': 'nosniff',
      'content-disposition': `attachment; filename="${cid}.bin"`,
      etag: `"${cid}.raw"`,
    });
  });

  it('takes the format from the Accept header too', async () => {
    const { status, headers } = await ask(`/ipfs/${cid}`, {
      headers: { accept: 'text/html, application/vnd.ipld.raw;q=0.9' },
    });
    expect([status, headers['content-type']]).toEqual([200, 'application/vnd.ipld.raw']);
  });

  it('answers HEAD without a body, and 304 to who has it', async () => {
    const head = await ask(`/ipfs/${cid}?format=raw`, { method: 'HEAD' });
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect(Number(head.headers['content-length'])).toBeGreaterThan(0);
    const again = await ask(`/ipfs/${cid}?format=raw`, { headers: { 'if-none-match': String(head.headers['etag']) } });
    expect([again.status, again.body.length]).toEqual([304, 0]);
  });

  it('lets a client find out that it is a gateway', async () => {
    const { status, body } = await ask('/ipfs/bafkqaaa?format=raw');
    expect([status, body.length]).toEqual([200, 0]);
  });

  it('gives a DAG as a CAR that a library can read', async () => {
    const { roots, blocks } = await carOf('');
    expect(roots).toEqual([cid]);
    expect(blocks.map((block) => block.cid)[0]).toBe(cid);
    expect(digestOf(Buffer.concat(blocks.slice(1).map((block) => block.bytes)))).toBe(digestOf(BYTES));
  });

  it('gives a CAR of one leaf', async () => {
    const { blocks } = await carOf('');
    const leaf = parseCid(blocks[1]?.cid ?? '');
    expect((await carOf('', leaf)).blocks).toEqual([blocks[1]]);
  });

  it.each([
    ['&dag-scope=block', []],
    ['&dag-scope=entity', [1, 2, 3]],
    ['&dag-scope=entity&entity-bytes=0:0', [1]],
    [`&dag-scope=entity&entity-bytes=${MIB - 1}:${MIB}`, [1, 2]],
    [`&dag-scope=entity&entity-bytes=${MIB}:*`, [2, 3]],
    ['&dag-scope=entity&entity-bytes=-1:*', [3]],
    ['&dag-scope=entity&entity-bytes=-6:-6', [2]],
    ['&entity-bytes=999999999999999:*', []],
  ])('gives with %s the root and leaves %j', async (query, leaves) => {
    const { blocks } = await carOf('');
    const wanted = [0, ...leaves].map((index) => blocks[index]?.cid);
    expect((await carOf(query)).blocks.map((block) => block.cid)).toEqual(wanted);
  });

  it('breaks a CAR off when a block is not there', async () => {
    const { blocks } = await carOf('');
    const forge = new DagForge();
    const absent = await forge.leaf(bytesOf('absent', 100));
    const root = await forge.node([{ hash: absent, sizeBytes: 100 }]);
    const partial = {
      blocks: {
        read: async (block: Cid) =>
          forge.blocks.get(block === absent ? (blocks[0]?.cid as Cid) : block) ?? ('missing' as const),
      },
    };
    const gateway = await serveGateway(partial, { host: '127.0.0.1', port: 0 });
    await expect(
      fetch(`${gateway.url}/ipfs/${root}?format=car`).then((response) => response.arrayBuffer()),
    ).rejects.toThrow();
    await gateway.close();
  });

  it('says 404 for a block it does not have or has damaged, and never asks other holders', async () => {
    const forge = new DagForge();
    const elsewhere = await forge.leaf(bytesOf('elsewhere', 100));
    await using other = await holderOf(forge.blocks);
    await using own = await temporaryFolder();
    await using asking = await openBlockVault({ folder: own.path, holders: [other.url] });
    const gateway = await serveGateway(asking, { host: '127.0.0.1', port: 0 });
    expect((await fetch(`${gateway.url}/ipfs/${elsewhere}?format=raw`)).status).toBe(404);
    expect(other.asked).toEqual([]);
    await gateway.close();
  });

  it.each([
    [404, '/'],
    [404, '/ipfs/'],
    [404, '/ipns/example.org?format=raw'],
    [404, '/api/v0/id'],
    [404, `/ipfs/$CID/file?format=raw`],
    [404, `/ipfs/../ipfs/$CID?format=raw`],
    [404, '/ipfs/bafkqaaa?format=car'],
    [406, `/ipfs/$CID`],
    [400, `/ipfs/$CID?format=tar`],
    [400, '/ipfs/bafkqabtimvwgy3yk?format=raw'],
    [400, '/ipfs/abc?format=raw'],
    [400, `/ipfs/$CID?format=car&dag-scope=world`],
    [400, `/ipfs/$CID?format=car&entity-bytes=1`],
    [400, `/ipfs/$CID?format=car&car-version=2`],
    [414, `/ipfs/$CID?format=raw&${'x'.repeat(500)}`],
  ])('answers %i to %s', async (status, path) => {
    expect((await ask(path.replace('$CID', cid))).status).toBe(status);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('refuses %s', async (method) => {
    const { status, headers } = await ask(`/ipfs/${cid}?format=raw`, { method });
    expect([status, headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  it('refuses a request with a body', async () => {
    const answer = await ask(`/ipfs/${cid}?format=raw`, { headers: { 'content-length': '4' }, body: 'body' });
    expect([answer.status, answer.headers['connection']]).toEqual([400, 'close']);
  });

  it('gives nothing but whole blocks, whatever it is asked', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '/',
        '/ipfs/',
        '/ipns/',
        '..',
        '%2e%2e',
        '%00',
        '?',
        '&',
        'format=raw',
        'format=car',
        'entity-bytes=-9:9',
        '%',
        cid,
      ),
      fc.webPath(),
      fc.webQueryParameters(),
    );
    const accept = fc.constantFrom(
      '',
      'application/vnd.ipld.raw',
      'application/vnd.ipld.car; version=2',
      '*/*',
      ',;=,',
    );
    const path = fc.array(piece, { maxLength: 6 }).map((pieces) => `/${pieces.join('')}`);
    await fc.assert(
      fc.asyncProperty(path, accept, async (target, accepted) => {
        const { status, body } = await ask(target, { headers: { accept: accepted } });
        expect([200, 400, 404, 406, 414]).toContain(status);
        if (status === 200) expect(target).toContain(cid);
        else expect(body.length).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('turns away more than it can serve at once, and recovers', async () => {
    const release = Promise.withResolvers<void>();
    const full = Promise.withResolvers<void>();
    let reading = 0;
    const slow = {
      blocks: {
        read: async () => {
          reading += 1;
          if (reading === 64) full.resolve();
          await release.promise;
          return 'missing' as const;
        },
      },
    };
    const gateway = await serveGateway(slow, { host: '127.0.0.1', port: 0 });
    const status = async () => (await fetch(`${gateway.url}/ipfs/${cid}?format=raw`)).status;
    const waiting = Array.from({ length: 64 }, status);
    await full.promise;
    expect(await status()).toBe(503);
    release.resolve();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([404]));
    expect(await status()).toBe(404);
    await gateway.close();
  });

  it('can be mounted in another server', async () => {
    const { gatewayHandler } = await import('../src/index.ts');
    await using server = await listen(gatewayHandler(vault));
    await using remote = openRemoteVault({ holders: [server.url] });
    expect(digestOf(await collect(remote.get(cid, { sizeBytes: SIZE_BYTES })))).toBe(digestOf(BYTES));
  });

  it('does not serve a damaged block', async () => {
    const { appendFile } = await import('node:fs/promises');
    const { cid: damaged } = await vault.put(inChunks(bytesOf('to be damaged', 100)));
    const before = new Set(await blockFiles(folder));
    await vault.unpin(damaged);
    const after = new Set(await blockFiles(folder));
    const file = [...before].find((name) => !after.has(name)) ?? '';
    await vault.put(inChunks(bytesOf('to be damaged', 100)));
    await appendFile(file, 'x');
    expect((await ask(`/ipfs/${damaged}?format=raw`)).status).toBe(404);
    expect((await failureOf(collect(vault.get(damaged, { sizeBytes: 100 })))).code).toBe('BLOCK_CORRUPT');
  });
});

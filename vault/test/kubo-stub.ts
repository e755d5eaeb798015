import type { IncomingMessage } from 'node:http';
import { decode } from '@ipld/dag-pb';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { collect, listen } from './fixtures.ts';

/** Answers the few RPC calls the vault makes, as Kubo words them. It shows what the vault does, not what Kubo does. */
export async function startKuboStub() {
  const blocks = new Map<string, Uint8Array>();
  const pins = new Set<string>();
  const calls: string[] = [];

  const key = (cid: CID) => Buffer.from(cid.multihash.digest).toString('hex');
  const indirect = (root: string): string[] => {
    const cid = CID.parse(root);
    const bytes = blocks.get(key(cid));
    if (bytes === undefined) throw new Error(`block was not found locally (offline): ipld: could not find ${root}`);
    return [root, ...(cid.code === 0x70 ? decode(bytes).Links.flatMap((link) => indirect(link.Hash.toString())) : [])];
  };

  async function answer(call: string, search: URLSearchParams, request: IncomingMessage): Promise<Uint8Array | object> {
    const arg = search.get('arg') ?? '';
    if (call === 'version') return { Version: '0.0.0-stub' };
    if (call === 'block/put') {
      const bytes = partOf(await collect(request));
      const cid = CID.createV1(search.get('cid-codec') === 'dag-pb' ? 0x70 : 0x55, await sha256.digest(bytes));
      blocks.set(key(cid), bytes);
      return { Key: cid.toString(), Size: bytes.length };
    }
    if (call === 'block/get') {
      const bytes = blocks.get(key(CID.parse(arg)));
      if (bytes !== undefined) return bytes;
      throw new Error(`block was not found locally (offline): ipld: could not find ${arg}`);
    }
    if (call === 'pin/add') {
      indirect(arg);
      pins.add(arg);
      return { Pins: [arg] };
    }
    if (call === 'pin/rm') {
      if (!pins.delete(arg)) throw new Error('not pinned or pinned indirectly');
      return { Pins: [arg] };
    }
    if (call === 'pin/ls') {
      if (search.get('type') !== 'recursive') throw new Error('the stub does not search');
      if (pins.has(arg)) return { Keys: { [arg]: { Type: 'recursive' } } };
      throw new Error(`path '${arg}' is not pinned`);
    }
    throw new Error(`the stub does not know ${call}`);
  }

  const server = await listen((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://stub');
    const call = pathname.replace('/api/v0/', '');
    calls.push(call);
    answer(call, searchParams, request).then(
      (result) => response.end(result instanceof Uint8Array ? result : JSON.stringify(result)),
      (error: unknown) => {
        response.writeHead(500, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ Message: error instanceof Error ? error.message : '', Code: 0, Type: 'error' }));
      },
    );
  });
  return { ...server, blocks, key, calls };
}

function partOf(body: Buffer): Uint8Array {
  const start = body.indexOf('\r\n\r\n') + 4;
  return body.subarray(start, body.lastIndexOf('\r\n--'));
}

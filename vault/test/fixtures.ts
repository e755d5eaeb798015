import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { type BlockVault, type Cid, openBlockVault, parseCid, VaultError, type VaultErrorCode } from '../src/index.ts';

export const MIB = 1024 * 1024;

/** The same bytes for the same seed, everywhere. */
export function bytesOf(seed: string, sizeBytes: number): Uint8Array {
  return sizeBytes === 0 ? new Uint8Array() : createHash('shake256', { outputLength: sizeBytes }).update(seed).digest();
}

export async function* inChunks(bytes: Uint8Array, chunkBytes = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source));
}

/** Size and SHA-256, to compare: a matcher takes longer over a megabyte than all else that is done with it. */
export function digestOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The error's code and block, to compare with `toEqual`. */
export async function failureOf(work: Promise<unknown>): Promise<{ code: VaultErrorCode; cid: Cid | undefined }> {
  const error: unknown = await work.then(
    () => new Error('it did not fail'),
    (cause: unknown) => cause,
  );
  if (!(error instanceof VaultError)) throw error;
  return { code: error.code, cid: error.cid };
}

/** An embedded vault to take blocks from; its folder goes with it. */
export async function temporaryVault(): Promise<BlockVault> {
  const folder = await temporaryFolder();
  const vault = await openBlockVault({ folder: folder.path });
  const close = vault[Symbol.asyncDispose].bind(vault);
  vault[Symbol.asyncDispose] = async () => {
    await close();
    await folder[Symbol.asyncDispose]();
  };
  return vault;
}

export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'vault-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Spoils a block file, or removes it. */
export async function damageFile(file: string, how: 'flip' | 'remove'): Promise<void> {
  if (how === 'remove') return rm(file);
  const bytes = await readFile(file);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  return writeFile(file, bytes);
}

/** The block files of an embedded vault's folder. */
export async function blockFiles(folder: string): Promise<string[]> {
  const entries = await readdir(join(folder, 'blocks'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

export async function listen(listener: RequestListener): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => {
        server.close(resolve);
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A holder that serves these blocks whatever they hash to, and remembers what it was asked for. */
export async function holderOf(blocks: Map<Cid, Uint8Array>) {
  const asked: Cid[] = [];
  const holder = await listen((request, response) => {
    const cid = cidAsked(request);
    asked.push(cid);
    const bytes = blocks.get(cid);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  return { ...holder, asked };
}

export function cidAsked(request: IncomingMessage): Cid {
  return parseCid(/^\/ipfs\/(\w+)\?format=raw$/.exec(request.url ?? '')?.[1] ?? '');
}

/** Blocks by hand, as an importer with bad intentions would make them. */
export class DagForge {
  readonly blocks = new Map<Cid, Uint8Array>();

  async leaf(bytes: Uint8Array): Promise<Cid> {
    return this.block(0x55, bytes);
  }

  async node(
    children: { hash: { toString(): string }; sizeBytes: number; name?: string }[],
    options: { type?: 'file' | 'directory'; data?: Uint8Array } = {},
  ): Promise<Cid> {
    const file = new UnixFS({ type: options.type ?? 'file', ...(options.data && { data: options.data }) });
    for (const child of children) file.addBlockSize(BigInt(child.sizeBytes));
    return this.nodeWith(file.marshal(), children);
  }

  async nodeWith(
    data: Uint8Array,
    children: { hash: { toString(): string }; sizeBytes: number; name?: string }[],
  ): Promise<Cid> {
    const Links = children.map((child) => ({
      Name: child.name ?? '',
      Tsize: child.sizeBytes,
      Hash: CID.parse(child.hash.toString()),
    }));
    return this.block(0x70, encode({ Data: data, Links }));
  }

  async block(codec: number, bytes: Uint8Array): Promise<Cid> {
    const cid = CID.createV1(codec, await sha256.digest(bytes)).toString() as Cid;
    this.blocks.set(cid, bytes);
    return cid;
  }
}

import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CarQuery, carOf } from './car.ts';
import { type Cid, parseCid } from './cid.ts';
import type { LocalBlocks, StoredVault } from './vault.ts';
import { VaultError } from './vault-error.ts';

const RAW_TYPE = 'application/vnd.ipld.raw';
const CAR_TYPE = 'application/vnd.ipld.car';
const MAX_URL_CHARACTERS = 512;
const MAX_AT_ONCE = 64;
const STALL_MS = 30_000;
const MAX_CONNECTIONS = 512;
/** Relays come back for the next body: opening a connection to another region costs a round trip, with TLS two. */
const KEEP_ALIVE_MS = 30_000;
/** An empty block inside its own CID: what clients ask for to see whether a gateway is one. */
const PROBE = 'bafkqaaa';

type Asked = { cid: Cid | typeof PROBE; format: 'raw' } | { cid: Cid; format: 'car'; car: CarQuery };

/**
 * Serves the vault's own blocks as an IPFS trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/):
 * GET and HEAD of `/ipfs/{cid}` as a raw block or a CAR, nothing else. It never asks other holders.
 */
export function gatewayHandler(
  vault: Pick<StoredVault, 'blocks'>,
): (request: IncomingMessage, response: ServerResponse) => void {
  let atOnce = 0;
  return (request, response) => {
    if (atOnce >= MAX_AT_ONCE) {
      refuse(response, 503);
      return;
    }
    atOnce += 1;
    response.once('close', () => {
      atOnce -= 1;
    });
    response.setTimeout(STALL_MS, () => void response.destroy());
    answer(vault.blocks, request, response).catch(() => response.destroy());
  };
}

/**
 * Listens with {@link gatewayHandler}, over TLS where it is given a certificate and its key (PEM). Port 0 takes any free
 * one; `url` is what others put among their holders.
 */
export async function serveGateway(
  vault: Pick<StoredVault, 'blocks'>,
  { host, port, tls }: { host: string; port: number; tls?: { readonly cert: string; readonly key: string } },
): Promise<{ url: string; close(): Promise<void> }> {
  const options = {
    maxHeaderSize: 8 * 1024,
    headersTimeout: 10_000,
    requestTimeout: 10_000,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const server =
    tls === undefined
      ? createServer(options, gatewayHandler(vault))
      : createTlsServer({ ...options, ...tls, handshakeTimeout: 10_000 }, gatewayHandler(vault));
  server.maxConnections = MAX_CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  await promise;
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http${tls === undefined ? '' : 's'}://${name}:${address.port}`,
    async close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

async function answer(blocks: LocalBlocks, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = readRequest(request);
  if (typeof asked === 'number') {
    refuse(response, asked);
    return;
  }
  const etag = `"${asked.cid}.${asked.format === 'raw' ? 'raw' : `car.${Object.values(asked.car).join('.')}`}"`;
  const headers = { etag, 'cache-control': 'public, max-age=29030400, immutable', 'x-content-type-options': 'nosniff' };
  const root = asked.cid === PROBE ? new Uint8Array() : await readBlock(blocks, asked.cid);
  if (typeof root === 'number') {
    refuse(response, root);
    return;
  }
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  if (asked.format === 'raw') {
    response.writeHead(200, {
      ...headers,
      'content-type': RAW_TYPE,
      'content-length': root.length,
      'content-disposition': `attachment; filename="${asked.cid}.bin"`,
    });
    response.end(request.method === 'HEAD' ? undefined : root);
    return;
  }
  response.writeHead(200, {
    ...headers,
    'content-type': `${CAR_TYPE}; version=1; order=dfs; dups=y`,
    'content-disposition': `attachment; filename="${asked.cid}.car"`,
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const car = Readable.from(carOf(blocks, asked.cid, asked.car), { objectMode: false, highWaterMark: 1 });
  await pipeline(car, response);
}

async function readBlock(blocks: LocalBlocks, cid: Cid): Promise<Uint8Array | number> {
  try {
    const found = await blocks.read(cid);
    return found instanceof Uint8Array ? found : 404;
  } catch (cause) {
    if (cause instanceof VaultError) return 503;
    throw cause;
  }
}

function readRequest(request: IncomingMessage): Asked | number {
  const { method, headers, url: target = '' } = request;
  if (method !== 'GET' && method !== 'HEAD') return 405;
  if (Number(headers['content-length'] ?? 0) !== 0 || headers['transfer-encoding'] !== undefined) return 400;
  if (target.length > MAX_URL_CHARACTERS) return 414;
  const [path = '', query = ''] = target.split('?', 2);
  const name = /^\/ipfs\/([a-z0-9]+)$/.exec(path)?.[1];
  if (name === undefined) return 404;
  const search = new URLSearchParams(query);
  const format = search.get('format') ?? formatAccepted(headers.accept ?? '');
  if (format === null) return 406;
  if (name === PROBE) return format === 'raw' ? { cid: PROBE, format } : 404;
  const cid = readCid(name);
  if (cid === null) return 400;
  if (format === 'raw') return { cid, format };
  const car = readCarQuery(search);
  return format === 'car' && car !== null ? { cid, format, car } : 400;
}

function readCid(text: string): Cid | null {
  try {
    return parseCid(text);
  } catch {
    return null;
  }
}

function formatAccepted(accept: string): 'raw' | 'car' | null {
  const types = accept.split(',').map((part) => part.split(';', 1)[0]?.trim().toLowerCase());
  const first = types.find((type) => type === RAW_TYPE || type === CAR_TYPE);
  return first === undefined ? null : first === RAW_TYPE ? 'raw' : 'car';
}

function readCarQuery(search: URLSearchParams): CarQuery | null {
  const scope = search.get('dag-scope') ?? 'all';
  const bytes = /^(-?\d{1,15}):(-?\d{1,15}|\*)$/.exec(search.get('entity-bytes') ?? '0:*');
  if ((scope !== 'all' && scope !== 'entity' && scope !== 'block') || bytes === null) return null;
  if ((search.get('car-version') ?? '1') !== '1') return null;
  return { scope, from: Number(bytes[1]), to: bytes[2] === '*' ? null : Number(bytes[2]) };
}

/** A refused request may have a body on the way: 400 and 405 end the connection instead of reading it. */
const REFUSAL_HEADERS: Record<number, OutgoingHttpHeaders> = {
  400: { connection: 'close' },
  405: { connection: 'close', allow: 'GET, HEAD' },
  503: { 'retry-after': '1' },
};

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { ...REFUSAL_HEADERS[status], 'content-length': 0, 'cache-control': 'no-store' }).end();
}

import { once } from 'node:events';
import type { Writable } from 'node:stream';
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  status,
} from '@grpc/grpc-js';
import { EmbeddedError, RpcError, toServiceError } from './errors.ts';
import type { Method, Service } from './service.ts';

export interface ServeOptions {
  /** Default 127.0.0.1. Anything but a loopback address needs `tls`. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  /** PEM. With `clientRoots`, clients must show a certificate under one of them. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string; readonly clientRoots?: string };
}

export interface Served {
  /** `host:port` */
  readonly address: string;
  close(): Promise<void>;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Serves a node's methods over gRPC. */
export async function serveGrpc(
  service: Service,
  messageBytes: number,
  closing: AbortSignal,
  { host = '127.0.0.1', port = 0, tls }: ServeOptions,
): Promise<Served> {
  if (!tls && !LOOPBACK.has(host)) throw new EmbeddedError('INSECURE', `Serving on ${host} needs TLS`);
  const server = new Server({
    'grpc.max_receive_message_length': messageBytes,
    'grpc.max_send_message_length': messageBytes,
  });
  const grouped = Map.groupBy(service, ([path]) => path.split('/')[1]);
  for (const methods of grouped.values()) {
    const definitions = methods.map(([path, method]) => [path, definitionOf(path, method)] as const);
    const handlers = methods.map(([path, method]) => [path, handlerOf(method, closing)] as const);
    server.addService(Object.fromEntries(definitions), Object.fromEntries(handlers));
  }
  const bound = await new Promise<number>((resolve, reject) => {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    server.bindAsync(address, credentialsOf(tls), (error, actual) => (error ? reject(error) : resolve(actual)));
  });
  return {
    address: `${host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        const force = setTimeout(() => server.forceShutdown(), 500);
        server.tryShutdown(() => {
          clearTimeout(force);
          resolve();
        });
      }),
  };
}

function credentialsOf(tls: ServeOptions['tls']): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(tls.privateKey), cert_chain: Buffer.from(tls.certificate) };
  const roots = tls.clientRoots === undefined ? null : Buffer.from(tls.clientRoots);
  return ServerCredentials.createSsl(roots, [pair], roots !== null);
}

function definitionOf(path: string, { kind }: Method): MethodDefinition<Uint8Array, Uint8Array> {
  const pass = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    path,
    requestStream: kind === 'duplex',
    responseStream: kind !== 'unary',
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: pass,
    responseDeserialize: pass,
  };
}

function handlerOf(
  method: Method,
  closing: AbortSignal,
):
  | handleUnaryCall<Uint8Array, Uint8Array>
  | handleServerStreamingCall<Uint8Array, Uint8Array>
  | handleBidiStreamingCall<Uint8Array, Uint8Array> {
  switch (method.kind) {
    case 'unary':
      return ((call, callback) => {
        const signal = endOf(call, closing);
        method.call(call.request, signal).then(
          (response) => callback(null, response),
          (error: unknown) => callback(toServiceError(signal.aborted ? signal.reason : error)),
        );
      }) satisfies handleUnaryCall<Uint8Array, Uint8Array>;
    case 'stream':
      return ((call) => {
        const signal = endOf(call, closing);
        void pump(method.call(call.request, signal), call, signal);
      }) satisfies handleServerStreamingCall<Uint8Array, Uint8Array>;
    case 'duplex':
      return ((call) => {
        const signal = endOf(call, closing);
        call.on('error', () => undefined);
        void pump(method.call(call, signal), call, signal);
      }) satisfies handleBidiStreamingCall<Uint8Array, Uint8Array>;
  }
}

/** Ends when the client cancels or its deadline passes (grpc-js tells both alike), or when the node closes. */
function endOf(call: { on(event: 'cancelled', listener: () => void): unknown }, closing: AbortSignal): AbortSignal {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort(new RpcError(status.CANCELLED, 'Cancelled on client')));
  return AbortSignal.any([controller.signal, closing]);
}

/** Writes no faster than the client reads. */
async function pump(responses: AsyncIterable<Uint8Array>, call: Writable, signal: AbortSignal): Promise<void> {
  try {
    for await (const response of responses) {
      signal.throwIfAborted();
      if (!call.write(response)) await once(call, 'drain', { signal });
    }
    call.end();
  } catch (error) {
    call.emit('error', toServiceError(signal.aborted ? signal.reason : error));
  }
}

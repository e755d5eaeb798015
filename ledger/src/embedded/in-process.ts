import { Readable } from 'node:stream';
import { status } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { RpcError, toServiceError } from './errors.ts';
import type { Method, Service } from './service.ts';

type Serialize<T> = (value: T) => Uint8Array;
type Deserialize<T> = (bytes: Buffer) => T;
interface CallOptions {
  readonly deadline?: Date | number;
}

/** A call's end: when its caller cancels, when its deadline passes, when the node closes. */
class Call {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly signal: AbortSignal;

  constructor(options: CallOptions | undefined, closing: AbortSignal) {
    this.signal = AbortSignal.any([this.#controller.signal, closing]);
    const deadline = Number(options?.deadline ?? Number.POSITIVE_INFINITY);
    if (deadline === Number.POSITIVE_INFINITY) return;
    const expire = () => this.#controller.abort(new RpcError(status.DEADLINE_EXCEEDED, 'Deadline exceeded'));
    const left = deadline - Date.now();
    if (left > 0) this.#timer = setTimeout(expire, Math.min(left, 2 ** 31 - 1));
    else expire();
  }

  cancel(): void {
    this.#controller.abort(new RpcError(status.CANCELLED, 'Cancelled on client'));
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  /** Resolves like `work`, unless the call ends before. */
  async within<T>(work: Promise<T>): Promise<T> {
    work.catch(() => undefined);
    this.signal.throwIfAborted();
    const ended = Promise.withResolvers<never>();
    const onAbort = () => ended.reject(this.signal.reason);
    this.signal.addEventListener('abort', onAbort);
    try {
      return await Promise.race([work, ended.promise]);
    } finally {
      this.signal.removeEventListener('abort', onAbort);
    }
  }
}

/**
 * The gRPC client of a node without a network: what fabric-gateway's `connect({ client })` needs, with the same bytes,
 * error classes, deadlines and cancellation as over gRPC.
 */
export function createInProcessClient(service: Service, closing: AbortSignal): GrpcClient {
  const methodOf = <K extends Method['kind']>(path: string, kind: K): Extract<Method, { kind: K }> => {
    const method = service.get(path);
    if (method?.kind === kind) return method as Extract<Method, { kind: K }>;
    throw new RpcError(status.UNIMPLEMENTED, `The server does not implement the method ${path}`);
  };

  const unary = (
    path: string,
    serialize: Serialize<unknown>,
    deserialize: Deserialize<unknown>,
    argument: unknown,
    options: CallOptions,
    callback: (error: Error | null, value?: unknown) => void,
  ) => {
    const call = new Call(options, closing);
    const run = async () => {
      await Promise.resolve();
      call.signal.throwIfAborted();
      const request = Uint8Array.from(serialize(argument));
      return deserialize(bufferOf(await call.within(methodOf(path, 'unary').call(request, call.signal))));
    };
    run()
      .finally(() => call.end())
      .then(
        (value) => queueMicrotask(() => callback(null, value)),
        (error: unknown) => queueMicrotask(() => callback(toServiceError(error))),
      );
    return { cancel: () => call.cancel() };
  };

  const stream = (
    call: Call,
    deserialize: Deserialize<unknown>,
    open: () => AsyncIterable<Uint8Array>,
    more: object = {},
  ) => {
    let responses: AsyncIterator<Uint8Array> | undefined;
    const readable = new Readable({
      objectMode: true,
      highWaterMark: 4,
      read() {
        const next = async () => {
          responses ??= open()[Symbol.asyncIterator]();
          return call.within(responses.next());
        };
        next().then(
          ({ done, value }) => this.push(done ? null : deserialize(bufferOf(value))),
          (error: unknown) => this.destroy(toServiceError(call.signal.aborted ? call.signal.reason : error)),
        );
      },
      destroy(error, callback) {
        call.cancel();
        call.end();
        responses?.return?.().catch(() => undefined);
        callback(error);
      },
    });
    readable.read(0);
    return Object.assign(readable, { cancel: () => call.cancel() }, more);
  };

  return {
    makeUnaryRequest: unary,
    makeServerStreamRequest: (
      path: string,
      serialize: Serialize<unknown>,
      deserialize: Deserialize<unknown>,
      argument: unknown,
      options: CallOptions,
    ) => {
      const call = new Call(options, closing);
      const request = Uint8Array.from(serialize(argument));
      return stream(call, deserialize, () => methodOf(path, 'stream').call(request, call.signal));
    },
    makeBidiStreamRequest: (
      path: string,
      serialize: Serialize<unknown>,
      deserialize: Deserialize<unknown>,
      options: CallOptions,
    ) => {
      const call = new Call(options, closing);
      const requests = new Readable({ objectMode: true, read: () => undefined });
      call.signal.addEventListener('abort', () => requests.push(null));
      const write = (request: unknown) => requests.push(Uint8Array.from(serialize(request)));
      return stream(call, deserialize, () => methodOf(path, 'duplex').call(requests, call.signal), { write });
    },
  } as unknown as GrpcClient;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

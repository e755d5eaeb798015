import { status } from '@grpc/grpc-js';
import type { Deliver } from './deliver.ts';
import { RpcError } from './errors.ts';
import type { Queries } from './queries.ts';

export type Unary = (request: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/** A method as bytes in, bytes out, whatever carries them. */
export type Method =
  | { readonly kind: 'unary'; readonly call: Unary }
  | { readonly kind: 'stream'; readonly call: (request: Uint8Array, signal: AbortSignal) => AsyncIterable<Uint8Array> }
  | {
      readonly kind: 'duplex';
      readonly call: (requests: AsyncIterable<Uint8Array>, signal: AbortSignal) => AsyncIterable<Uint8Array>;
    };

/** All methods of a node by their gRPC path. */
export type Service = ReadonlyMap<string, Method>;

export interface ServiceLimits {
  /** Calls at a time, waiting ones included; and as many streams. */
  readonly concurrency: number;
  /** Bytes of one message, either way. */
  readonly messageBytes: number;
}

/** Who answers: from the own ledger, and for transactions on their way. */
export interface Answering {
  readonly queries: Queries;
  readonly deliver: Deliver;
  readonly transactions: { readonly endorse: Unary; readonly submit: Unary };
}

/** The methods real Fabric's gateway peer offers to clients. */
export function createService(
  { queries, deliver, transactions }: Answering,
  { concurrency, messageBytes }: ServiceLimits,
): Service {
  const full = () => new RpcError(status.UNAVAILABLE, `the gateway is at its concurrency limit of (${concurrency})`);
  let running = 0;
  let streaming = 0;
  async function* counted(open: () => AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    if (streaming >= concurrency) throw full();
    streaming += 1;
    try {
      yield* open();
    } finally {
      streaming -= 1;
    }
  }
  const unary = (call: Unary): Method => ({
    kind: 'unary',
    call: async (request, signal) => {
      limit(request, messageBytes);
      if (running >= concurrency) throw full();
      running += 1;
      try {
        return limit(await call(request, signal), messageBytes);
      } finally {
        running -= 1;
      }
    },
  });
  const duplex = (
    call: (requests: AsyncIterable<Uint8Array>, signal: AbortSignal) => AsyncIterable<Uint8Array>,
  ): Method => ({ kind: 'duplex', call: (requests, signal) => counted(() => call(requests, signal)) });
  return new Map<string, Method>([
    ['/gateway.Gateway/Evaluate', unary((request, signal) => queries.evaluate(request, signal))],
    ['/gateway.Gateway/Endorse', unary((request, signal) => transactions.endorse(request, signal))],
    ['/gateway.Gateway/Submit', unary((request, signal) => transactions.submit(request, signal))],
    ['/gateway.Gateway/CommitStatus', unary((request, signal) => queries.commitStatus(request, signal))],
    [
      '/gateway.Gateway/ChaincodeEvents',
      { kind: 'stream', call: (request, signal) => counted(() => queries.chaincodeEvents(request, signal)) },
    ],
    ['/protos.Deliver/Deliver', duplex((requests, signal) => deliver.deliver(requests, false, signal))],
    ['/protos.Deliver/DeliverFiltered', duplex((requests, signal) => deliver.deliver(requests, true, signal))],
    ['/protos.Deliver/DeliverWithPrivateData', duplex(refusePrivateData)],
  ]);
}

// biome-ignore lint/correctness/useYield: it refuses before there is anything to yield
async function* refusePrivateData(): AsyncGenerator<Uint8Array> {
  throw new RpcError(status.UNIMPLEMENTED, 'private data is not supported by the embedded Fabric node');
}

function limit(message: Uint8Array, max: number): Uint8Array {
  if (message.length <= max) return message;
  throw new RpcError(status.RESOURCE_EXHAUSTED, `message of ${message.length} bytes is larger than ${max}`);
}

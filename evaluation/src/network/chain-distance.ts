import { Readable } from 'node:stream';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { gateway } from '@hyperledger/fabric-protos';
import type { ChainProfile } from './chain-profile.ts';
import type { Clock } from './clock.ts';
import type { Commits } from './commits.ts';
import { Lane } from './lane.ts';

export interface ChainDistance {
  readonly profile: ChainProfile;
  readonly clock: Clock;
  /** Of the node behind the client. */
  readonly commits: Commits;
  /** For comparison: a submission is acknowledged only once its commit is visible, so that whatever follows sets out late. */
  readonly ackAfterCommit?: boolean;
}

interface Cancellable {
  cancel(): void;
}
type Callback = (error: ServiceError | null, value?: unknown) => void;
type Unary = (
  path: string,
  serialize: (value: unknown) => Buffer,
  deserialize: (bytes: Buffer) => unknown,
  argument: unknown,
  options: { readonly deadline?: Date | number },
  callback: Callback,
) => Cancellable;
type Incoming = Readable & Cancellable;
type Duplex = Incoming & { write(request: unknown): boolean };
/** The methods that fabric-gateway calls, in the one form of each that it uses. */
interface RawClient {
  readonly makeUnaryRequest: Unary;
  readonly makeServerStreamRequest: (...args: unknown[]) => Incoming;
  readonly makeBidiStreamRequest: (...args: unknown[]) => Duplex;
}

const EVALUATE = '/gateway.Gateway/Evaluate';
const ENDORSE = '/gateway.Gateway/Endorse';
const SUBMIT = '/gateway.Gateway/Submit';
const COMMIT_STATUS = '/gateway.Gateway/CommitStatus';
/** Messages of a stream that may be under way; the node waits while there are more. */
const STREAM_WINDOW = 256;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const NOOP = () => undefined;

/**
 * A gRPC client as far from the network behind `client` as a profile says, which that network knows nothing of:
 * - every call takes the round trip to the gateway peer, `Evaluate` and `Endorse` that to the other peers besides;
 * - `Submit` reaches the orderer a way later, and its acknowledgement takes the same way back;
 * - a commit is seen, in `CommitStatus` and in streams of events and blocks, once the orderers and the way back have taken
 *   their time after the node's own commit, however late it is asked for.
 *
 * Simplified, and in favour of whoever is far: `Evaluate` and `Endorse` see the node's state at once, which at a distant
 * peer would be younger by `orderMs + deliveryMs`; legs have no jitter, loss or rate; opening a stream is free. Against: what
 * a stream repeats from before it was opened comes late once, by the same time.
 *
 * Deadlines and cancellation end a call where it is. `close` cancels all calls; `client` stays its owner's.
 */
export function distant(client: GrpcClient, { profile, clock, commits, ackAfterCommit }: ChainDistance): GrpcClient {
  const raw = client as unknown as RawClient;
  const halfMs = profile.requestMs / 2;
  const lateMs = profile.orderMs + profile.deliveryMs;
  const outMs = new Map([[SUBMIT, profile.submitMs]]);
  const backMs = new Map([
    [EVALUATE, profile.evaluateMs],
    [ENDORSE, profile.endorseMs],
    [SUBMIT, profile.submitMs],
  ]);
  const open = new Set<Cancellable>();

  /** When the client's peer has what the answer tells of. */
  const visibleAt = async (path: string, request: Buffer, answer: Buffer): Promise<number> => {
    if (path === COMMIT_STATUS)
      return commits.timeOf(gateway.CommitStatusResponse.deserializeBinary(answer).getBlockNumber()) + lateMs;
    if (path === SUBMIT && ackAfterCommit === true)
      return (await commits.committed(gateway.SubmitRequest.deserializeBinary(request).getTransactionId())) + lateMs;
    return Number.NEGATIVE_INFINITY;
  };

  const makeUnaryRequest: Unary = (path, serialize, deserialize, argument, options, callback) => {
    const request = serialize(argument);
    const call = new Call(clock, options.deadline, (error, value) => {
      open.delete(call);
      callback(error, value);
    });
    open.add(call);
    const ask = () =>
      raw.makeUnaryRequest(path, asIs, both(deserialize), request, options, (error, answer) => {
        const arrivesAt = performance.now() + halfMs + (backMs.get(path) ?? 0);
        if (error !== null) {
          call.at(arrivesAt, () => call.end(error));
          return;
        }
        const { bytes, value } = answer as Answer;
        void visibleAt(path, request, bytes).then((at) =>
          call.at(Math.max(arrivesAt, at + halfMs), () => call.end(null, value)),
        );
      });
    call.at(performance.now() + halfMs + (outMs.get(path) ?? 0), () => {
      try {
        call.during(ask());
      } catch (error) {
        // A client that was closed meanwhile throws, and there is no longer anybody to throw at.
        call.end(serviceError(status.UNAVAILABLE, (error as Error).message));
      }
    });
    return call;
  };

  const late = (source: Incoming): LateStream => {
    const stream = new LateStream(source, clock, lateMs + halfMs);
    open.add(stream);
    return stream.once('close', () => open.delete(stream));
  };

  return {
    makeUnaryRequest,
    makeServerStreamRequest: (...args: unknown[]) => late(raw.makeServerStreamRequest(...args)),
    makeBidiStreamRequest: (...args: unknown[]) => {
      const source = raw.makeBidiStreamRequest(...args);
      return Object.assign(late(source), { write: (request: unknown) => source.write(request) });
    },
    close: () => {
      for (const one of open) one.cancel();
    },
  } as unknown as GrpcClient;
}

interface Answer {
  readonly bytes: Buffer;
  readonly value: unknown;
}

function asIs(request: unknown): Buffer {
  return request as Buffer;
}

function both(deserialize: (bytes: Buffer) => unknown) {
  return (bytes: Buffer): Answer => ({ bytes, value: deserialize(bytes) });
}

/** One call on its way: a wait, then the network, then a wait. It ends once. */
class Call implements Cancellable {
  readonly #clock: Clock;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #callback: Callback;
  #leave: () => void = NOOP;
  #isOver = false;

  constructor(clock: Clock, deadline: Date | number = Number.POSITIVE_INFINITY, callback: Callback) {
    this.#clock = clock;
    this.#callback = callback;
    const leftMs = Number(deadline) - Date.now();
    if (leftMs > LONGEST_TIMER_MS) return;
    this.#timer = setTimeout(() => this.#fail(status.DEADLINE_EXCEEDED, 'Deadline exceeded'), Math.max(0, leftMs));
  }

  /** Goes on at a moment of `performance.now()`, at once when that is over. */
  at(due: number, next: () => void): void {
    if (this.#isOver) return;
    if (due <= performance.now()) next();
    else this.#leave = this.#clock.at(due, next);
  }

  during(call: Cancellable): void {
    this.#leave = () => call.cancel();
  }

  cancel(): void {
    this.#fail(status.CANCELLED, 'Cancelled on client');
  }

  end(error: ServiceError | null, value?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    queueMicrotask(() => this.#callback(error, value));
  }

  #fail(code: status, details: string): void {
    if (this.#isOver) return;
    this.#leave();
    this.end(serviceError(code, details));
  }
}

function serviceError(code: status, details: string): ServiceError {
  const error = new Error(`${code} ${status[code]}: ${details}`);
  return Object.assign(error, { code, details, metadata: new Metadata() });
}

/** A stream of answers whose every message comes later by the same time. What ends it by force ends it at once. */
class LateStream extends Readable implements Cancellable {
  readonly #source: Incoming;
  readonly #lane: Lane<unknown>;

  constructor(source: Incoming, clock: Clock, lateMs: number) {
    super({ objectMode: true, highWaterMark: 4 });
    this.#source = source;
    this.#lane = new Lane(clock, (message) => {
      if (source.isPaused()) source.resume();
      return this.push(message);
    });
    source.on('data', (message: unknown) => {
      this.#lane.put(message, performance.now() + lateMs);
      if (this.#lane.size >= STREAM_WINDOW) source.pause();
    });
    source.on('end', () => this.#lane.put(null, performance.now() + lateMs));
    source.on('error', (error: Error) => this.destroy(error));
  }

  cancel(): void {
    this.#source.cancel();
  }

  override _read(): void {
    this.#lane.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#lane.clear();
    this.#source.cancel();
    callback(error);
  }
}

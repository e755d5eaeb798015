import { setTimeout } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { VerifyError } from '../errors.ts';
import { type Audit, auditChain } from './audit.ts';
import { Committer } from './committer.ts';
import { Channel, type ChannelConfig } from './config.ts';
import { watchContracts } from './contract-scope.ts';
import { type Definition, decodeDefinition } from './definition.ts';
import { Deliver } from './deliver.ts';
import { EmbeddedError, RpcError } from './errors.ts';
import { createInProcessClient } from './in-process.ts';
import { Queries } from './queries.ts';
import { Runner } from './runner.ts';
import { type Served, type ServeOptions, serveGrpc } from './server.ts';
import { type Answering, createService, type Unary } from './service.ts';
import { Simulator } from './simulator.ts';
import { StateLock } from './state-lock.ts';
import { Store } from './store.ts';

export interface HostLimits {
  /** Bytes of one request or response. Default 16 MiB, at most 100 MiB. */
  readonly messageBytes?: number;
  /** How long a contract may take. Default 30 s. */
  readonly executionMs?: number;
  /** Calls at a time, waiting ones included. Default 2,500. */
  readonly concurrency?: number;
  /** Bytes the store may grow to. Default: the disk. */
  readonly storeBytes?: number;
}

export interface HostOptions {
  /** Where the ledger is kept, made when missing; or `:memory:`. */
  readonly folder: string;
  /** Epoch milliseconds; judges certificates. Default: the system's. */
  readonly clock?: () => number;
  readonly limits?: HostLimits;
  /** Told of errors a contract let escape after its transaction was over. Default: a process warning. */
  readonly onFault?: (fault: unknown) => void;
}

/** What a node and a follower have in common: a channel's ledger, and Fabric's gateway to it. */
export interface Host extends AsyncDisposable {
  readonly network: string;
  readonly channel: string;
  /** For fabric-gateway's `connect({ client })`, without a network. */
  client(): GrpcClient;
  /** Serves the same methods over gRPC. @throws EmbeddedError INSECURE */
  serve(options?: ServeOptions): Promise<Served>;
  /** Number of blocks. */
  height(): number;
  /**
   * Reads the whole ledger again and checks hashes, signatures, verdicts, state and history.
   * @throws EmbeddedError CHAIN_BROKEN, STORE_CORRUPT
   */
  verifyChain(): Promise<Audit>;
  /** Ends every call, writes what is queued and releases the store. */
  close(): Promise<void>;
}

/** The parts of a host that is being put together. */
export interface Parts {
  readonly channel: Channel;
  readonly store: Store;
  readonly lock: StateLock;
  readonly committer: Committer;
  readonly simulator: Simulator;
  readonly clock: () => number;
  /** The definition that the ledger was left with. */
  readonly recorded: Definition | undefined;
}

/** What makes a host a node or a follower. */
export interface Role {
  readonly transactions: Answering['transactions'];
  /** Whose peers it is. */
  readonly organisations: readonly [string, ...string[]];
  /** Evaluates for other organisations' peers. */
  readonly elsewhere?: Unary;
  /** Ends the writing of blocks; resolves when the last is written. */
  stop(): Promise<void>;
}

/** How long closing waits for contracts before it ends them. */
const GRACE_MS = 1000;
const MAX_MESSAGE_BYTES = 100 * 1024 * 1024;

/**
 * Opens a channel's ledger and serves it in a role.
 * @throws EmbeddedError CONFIG_INVALID, STORE_LOCKED, STORE_MISMATCH, STORE_CORRUPT, STORE_FAILED, STORE_FULL
 */
export function openHost<R extends Role>(
  config: ChannelConfig,
  { folder, clock = Date.now, onFault = warn, ...options }: HostOptions,
  play: (parts: Parts) => R,
): { readonly host: Host; readonly role: R; readonly parts: Parts } {
  const limits = { messageBytes: 16 * 1024 * 1024, executionMs: 30_000, concurrency: 2500, ...options.limits };
  if (limits.messageBytes > MAX_MESSAGE_BYTES) throw new EmbeddedError('CONFIG_INVALID', 'Messages over 100 MiB');
  const channel = configured(() => new Channel(config));
  const { executionMs } = limits;
  const runner = configured(() => new Runner(channel.chaincodes.values(), { executionMs, onFault }));
  const store = new Store({ folder, network: channel.network, channel: channel.name, maxBytes: limits.storeBytes });
  const lock = new StateLock();
  const simulator = new Simulator({ channel, store, lock, runner, clock });
  const { parts, role } = closingOnFailure(store, () => {
    const committer = new Committer(channel, store);
    const text = store.meta('definition')?.toString();
    const recorded = text === undefined ? undefined : decodeDefinition(text);
    const parts = { channel, store, lock, committer, simulator, clock, recorded };
    return { parts, role: play(parts) };
  });
  const { committer } = parts;
  const { organisations, elsewhere, transactions } = role;
  const queries = new Queries({ channel, store, committer, simulator, clock, organisations, elsewhere });
  const deliver = new Deliver({ channel, store, committer, clock });
  const service = createService({ queries, deliver, transactions }, limits);
  const closing = new AbortController();
  const served = new Set<Served>();
  const unwatch = watchContracts();

  let closed: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    const written = role.stop();
    await Promise.race([written, setTimeout(GRACE_MS, undefined, { ref: false })]);
    closing.abort(new RpcError(status.UNAVAILABLE, 'the embedded Fabric node is closing'));
    await Promise.all([...served].map((server) => server.close()));
    await written;
    const release = await lock.write();
    release();
    unwatch();
    store.close();
  };
  const close = (): Promise<void> => {
    closed ??= end();
    return closed;
  };

  const host: Host = {
    network: channel.network,
    channel: channel.name,
    client: () => createInProcessClient(service, closing.signal),
    async serve(serveOptions = {}) {
      const server = await serveGrpc(service, limits.messageBytes, closing.signal, serveOptions);
      served.add(server);
      return server;
    },
    height: () => committer.height,
    async verifyChain() {
      const release = await lock.read();
      try {
        return await auditChain(store, channel);
      } finally {
        release();
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  return { host, role, parts };
}

/** @throws EmbeddedError CONFIG_INVALID for whatever is wrong with a configuration */
export function configured<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof EmbeddedError) throw cause;
    const why = cause instanceof VerifyError ? cause.message : 'a contract class cannot be used';
    throw new EmbeddedError('CONFIG_INVALID', why, { cause });
  }
}

function closingOnFailure<T>(store: Store, make: () => T): T {
  try {
    return make();
  } catch (error) {
    store.close();
    throw error;
  }
}

function warn(fault: unknown): void {
  process.emitWarning(`A contract let an error escape: ${String((fault as Error | undefined)?.message ?? fault)}`);
}

import { setTimeout } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { VerifyError } from '../errors.ts';
import type { Organisation } from '../msp.ts';
import { type Audit, auditChain } from './audit.ts';
import { type BatchOptions, Committer } from './committer.ts';
import { Channel, type EmbeddedConfig } from './config.ts';
import { watchContracts } from './contract-scope.ts';
import { Deliver } from './deliver.ts';
import { Endorser } from './endorser.ts';
import { EmbeddedError, RpcError } from './errors.ts';
import { Gateway } from './gateway.ts';
import { createInProcessClient } from './in-process.ts';
import { Runner } from './runner.ts';
import { type Served, type ServeOptions, serveGrpc } from './server.ts';
import { createService } from './service.ts';
import { StateLock } from './state-lock.ts';
import { Store } from './store.ts';

export interface EmbeddedLimits {
  /** Bytes of one request or response. Default 16 MiB, at most 100 MiB. */
  readonly messageBytes?: number;
  /** How long a contract may take. Default 30 s. */
  readonly executionMs?: number;
  /** Calls at a time, waiting ones included. Default 2,500. */
  readonly concurrency?: number;
  /** Transactions waiting for a block. Default 10,000. */
  readonly pending?: number;
  /** Bytes the store may grow to. Default: the disk. */
  readonly storeBytes?: number;
}

export interface EmbeddedOptions {
  /** Where the ledger is kept, made when missing; or `:memory:`. */
  readonly folder: string;
  /** Epoch milliseconds; judges certificates. Default: the system's. */
  readonly clock?: () => number;
  readonly batch?: BatchOptions;
  readonly limits?: EmbeddedLimits;
  /** Told of errors a contract let escape after its transaction was over. Default: a process warning. */
  readonly onFault?: (fault: unknown) => void;
}

/** A Fabric network of one channel in this process: every organisation's peer, the orderer and the gateway. */
export interface EmbeddedNode extends AsyncDisposable {
  readonly network: string;
  readonly channel: string;
  /** For fabric-gateway's `connect({ client })`, without a network. */
  client(): GrpcClient;
  /** Serves the same methods over gRPC. @throws EmbeddedError INSECURE */
  serve(options?: ServeOptions): Promise<Served>;
  /** Number of blocks. */
  height(): number;
  /**
   * Takes new roots, intermediates or revocation lists of an organisation at once; not kept in the store.
   * @throws EmbeddedError CONFIG_INVALID, then nothing has changed
   */
  updateOrganisation(change: Partial<Organisation> & Pick<Organisation, 'mspId'>): void;
  /**
   * Reads the whole ledger again and checks hashes, signatures, verdicts, state and history.
   * @throws EmbeddedError CHAIN_BROKEN, STORE_CORRUPT
   */
  verifyChain(): Promise<Audit>;
  /** Ends every call, writes what is queued and releases the store. */
  close(): Promise<void>;
}

/** How long closing waits for contracts before it ends them. */
const GRACE_MS = 1000;
const MAX_MESSAGE_BYTES = 100 * 1024 * 1024;

/**
 * Opens a network from its configuration and store.
 * @throws EmbeddedError CONFIG_INVALID, STORE_LOCKED, STORE_MISMATCH, STORE_CORRUPT, STORE_FAILED, STORE_FULL
 */
export async function openEmbedded(config: EmbeddedConfig, options: EmbeddedOptions): Promise<EmbeddedNode> {
  const { folder, clock = Date.now, batch = {}, onFault = warn } = options;
  const limits = {
    messageBytes: 16 * 1024 * 1024,
    executionMs: 30_000,
    concurrency: 2500,
    pending: 10_000,
    ...options.limits,
  };
  if (limits.messageBytes > MAX_MESSAGE_BYTES) throw new EmbeddedError('CONFIG_INVALID', 'Messages over 100 MiB');
  const channel = configured(() => new Channel(config, clock()));
  const runner = configured(
    () => new Runner(channel.chaincodes.values(), { executionMs: limits.executionMs, onFault }),
  );
  const { network, channel: channelName } = config;
  const store = new Store({ folder, network, channel: channelName, maxBytes: limits.storeBytes });
  const lock = new StateLock();
  let committer: Committer;
  try {
    committer = new Committer({ channel, store, lock, clock, batch, maxPending: limits.pending });
  } catch (error) {
    store.close();
    throw error;
  }
  const endorser = new Endorser(channel, store, runner, clock);
  const gateway = new Gateway({ channel, store, lock, endorser, committer, clock });
  const deliver = new Deliver({ channel, store, committer, clock });
  const service = createService(gateway, deliver, limits);
  const closing = new AbortController();
  const served = new Set<Served>();
  const unwatch = watchContracts();

  let closed: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    const written = committer.close();
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

  return {
    network,
    channel: channelName,
    client: () => createInProcessClient(service, closing.signal),
    async serve(serveOptions = {}) {
      const server = await serveGrpc(service, limits.messageBytes, closing.signal, serveOptions);
      served.add(server);
      return server;
    },
    height: () => committer.height,
    updateOrganisation: (change) => configured(() => channel.update(change)),
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
}

function configured<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof EmbeddedError) throw cause;
    const why = cause instanceof VerifyError ? cause.message : 'a contract class cannot be used';
    throw new EmbeddedError('CONFIG_INVALID', why, { cause });
  }
}

function warn(fault: unknown): void {
  process.emitWarning(`A contract let an error escape: ${String((fault as Error | undefined)?.message ?? fault)}`);
}

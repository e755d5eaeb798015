import { createHash, X509Certificate } from 'node:crypto';
import { type CallOptions, type ChannelOptions, Client, credentials } from '@grpc/grpc-js';
import {
  type Contract,
  connect as connectGateway,
  type Gateway,
  type GrpcClient,
  hash,
  type Network,
} from '@hyperledger/fabric-gateway';
import { trustingOrdered } from './ordered-before.ts';
import { evaluatedAt } from './own-peer.ts';
import { createSigner } from './signer.ts';

/** TLS towards a peer. All PEM. With `certificate` and `privateKey`, mutual. */
export interface Tls {
  readonly roots: string;
  readonly certificate?: string;
  readonly privateKey?: string;
  /** The name on the peer's certificate when it is not the host of the address. */
  readonly serverName?: string;
}

/** The longest each call may take, milliseconds. */
export interface Deadlines {
  readonly evaluateMs: number;
  readonly endorseMs: number;
  readonly submitMs: number;
  /** After it `submit` hands the transaction in again and goes on waiting. */
  readonly commitStatusMs: number;
}

export interface ConnectOptions {
  /** A gRPC client, or an in-process one, which the caller closes; or `host:port` of a peer's gateway. */
  readonly client: GrpcClient | string;
  /** Needed for an address, unless it is on this machine. */
  readonly tls?: Tls;
  readonly identity: { readonly mspId: string; readonly certificate: string };
  /** The organisation of the peer, where it is not the identity's. */
  readonly peerMspId?: string | undefined;
  /** PEM. */
  readonly privateKey: string;
  readonly deadlines?: Partial<Deadlines>;
}

/** One identity's way to a Fabric network, real or embedded. Evaluations are asked of the peer's organisation alone. */
export interface Connection extends Disposable {
  readonly mspId: string;
  readonly certificate: string;
  readonly gateway: Gateway;
  network(channel: string): Network;
  contract(channel: string, chaincode: string, name?: string): Contract;
  close(): void;
}

export const DEADLINES: Deadlines = { evaluateMs: 5_000, endorseMs: 15_000, submitMs: 5_000, commitStatusMs: 10_000 };
const LOCAL = /^(?:(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+|unix:.+)$/;

/**
 * Connects with the gateway client of Hyperledger Fabric. Every call has a deadline: the client itself has none.
 * @throws TypeError for an address elsewhere without TLS, or a key that is not P-256
 */
export function connect(options: ConnectOptions): Connection {
  const { identity, tls, peerMspId = identity.mspId } = options;
  const sign = createSigner(options.privateKey);
  const limits = { ...DEADLINES, ...options.deadlines };
  const within = (limitMs: number) => (): CallOptions => ({ deadline: Date.now() + limitMs });
  const own = typeof options.client === 'string' ? openClient(options.client, tls) : undefined;
  const gateway = connectGateway({
    client: trustingOrdered(own ?? (options.client as GrpcClient)),
    identity: { mspId: identity.mspId, credentials: Buffer.from(identity.certificate) },
    hash: hash.none,
    signer: (message) => Promise.resolve(sign(message)),
    evaluateOptions: within(limits.evaluateMs),
    endorseOptions: within(limits.endorseMs),
    submitOptions: within(limits.submitMs),
    commitStatusOptions: within(limits.commitStatusMs),
    ...(tls?.certificate !== undefined && { tlsClientCertificateHash: certificateHash(tls.certificate) }),
  });
  const close = () => {
    gateway.close();
    own?.close();
  };
  return {
    mspId: identity.mspId,
    certificate: identity.certificate,
    gateway,
    network: (channel) => gateway.getNetwork(channel),
    contract: (channel, chaincode, name) =>
      evaluatedAt(peerMspId, gateway.getNetwork(channel).getContract(chaincode, name)),
    close,
    [Symbol.dispose]: close,
  };
}

/**
 * A gRPC client for `host:port`, which the caller closes.
 * @throws TypeError for an address elsewhere without TLS
 */
export function openClient(address: string, tls: Tls | undefined, options: ChannelOptions = {}): Client {
  if (!tls && !LOCAL.test(address)) throw new TypeError('A peer on another machine is reached by TLS only');
  const security = tls
    ? credentials.createSsl(pem(tls.roots), pem(tls.privateKey), pem(tls.certificate))
    : credentials.createInsecure();
  return new Client(address, security, {
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.max_receive_message_length': 100 * 1024 * 1024,
    ...(tls?.serverName !== undefined && { 'grpc.ssl_target_name_override': tls.serverName }),
    ...options,
  });
}

function pem(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}

function certificateHash(certificate: string): Uint8Array {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest();
}

import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { type Client, type ServiceError, status } from '@grpc/grpc-js';
import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { common, orderer } from '@hyperledger/fabric-protos';
import timestamps from 'google-protobuf/google/protobuf/timestamp_pb.js';
import { type ConnectOptions, openClient } from '../connect.ts';
import { Fields } from '../fields.ts';
import { type ReceivedBlock, readBlock } from './block.ts';
import { DETAILS_KEY, EmbeddedError, RpcError } from './errors.ts';
import { transactionId } from './proposal.ts';
import { Signer } from './signer.ts';

/** Where blocks come from and transactions go. */
export type UpstreamOptions = Pick<ConnectOptions, 'client' | 'tls' | 'identity' | 'privateKey'>;

const DELIVER = '/protos.Deliver/Deliver';
/** grpc-js waits up to two minutes between its attempts to connect. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 5_000 };

/** A gateway peer whose word counts for nothing: what it sends is bytes for others to judge. */
export class Upstream {
  readonly #channel: string;
  readonly #signer: Signer;
  readonly #client: GrpcClient;
  readonly #own: Client | undefined;

  /** @throws EmbeddedError CONFIG_INVALID, TypeError for an address elsewhere without TLS */
  constructor(channel: string, { client, tls, identity, privateKey }: UpstreamOptions) {
    this.#channel = channel;
    this.#signer = new Signer(identity.mspId, { certificate: identity.certificate, privateKey });
    this.#own = typeof client === 'string' ? openClient(client, tls, RECONNECT) : undefined;
    this.#client = this.#own ?? (client as GrpcClient);
  }

  /**
   * Blocks from a number on, and those to come.
   * @throws Error when the stream ends, EmbeddedError CHAIN_BROKEN when it brings what is no block
   */
  async *blocks(start: number, signal: AbortSignal): AsyncGenerator<ReceivedBlock> {
    const first = new orderer.SeekSpecified();
    first.setNumber(start);
    const last = new orderer.SeekSpecified();
    last.setNumber(Number.MAX_SAFE_INTEGER);
    const seek = new orderer.SeekInfo();
    seek.setStart(positionOf((position) => position.setSpecified(first)));
    seek.setStop(positionOf((position) => position.setSpecified(last)));
    yield* this.#deliver(seek, signal);
  }

  /** The newest block, without its transactions. @throws as `blocks` does */
  async newest(signal: AbortSignal): Promise<ReceivedBlock> {
    const newest = positionOf((position) => position.setNewest(new orderer.SeekNewest()));
    const seek = new orderer.SeekInfo();
    seek.setStart(newest);
    seek.setStop(newest);
    seek.setContentType(orderer.SeekInfo.SeekContentType.HEADER_WITH_SIG);
    for await (const block of this.#deliver(seek, signal)) return block;
    throw new Error('the upstream has no block');
  }

  /** Hands a request on as it is, and the answer back. @throws RpcError as the upstream refused */
  call(path: string, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(path, bytesOf, bytesOf, request, {}, (error, response) => {
        signal.removeEventListener('abort', cancel);
        if (error) reject(forwarded(error));
        else resolve(response as Uint8Array);
      });
      const cancel = () => call.cancel();
      signal.addEventListener('abort', cancel);
      if (signal.aborted) cancel();
    });
  }

  close(): void {
    this.#own?.close();
  }

  async *#deliver(seek: orderer.SeekInfo, signal: AbortSignal): AsyncGenerator<ReceivedBlock> {
    signal.throwIfAborted();
    const stream = this.#client.makeBidiStreamRequest(DELIVER, bytesOf, bytesOf, {});
    (stream as unknown as EventEmitter).on('error', () => undefined);
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel);
    try {
      stream.write(this.#signed(seek));
      for await (const bytes of stream as AsyncIterable<Uint8Array>) {
        const answer = readAnswer(bytes);
        if (answer === common.Status.SUCCESS) return;
        if (typeof answer === 'number') throw new Error(`the upstream delivers no blocks (status ${answer})`);
        yield answer;
      }
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
    throw new Error('the upstream ended the stream of blocks');
  }

  #signed(seek: orderer.SeekInfo): Uint8Array {
    const nonce = randomBytes(24);
    const { identity } = this.#signer;
    const channel = new common.ChannelHeader();
    channel.setType(common.HeaderType.DELIVER_SEEK_INFO);
    channel.setChannelId(this.#channel);
    channel.setTxId(transactionId(nonce, identity));
    channel.setTimestamp(timestamps.Timestamp.fromDate(new Date()));
    const signature = new common.SignatureHeader();
    signature.setCreator(identity);
    signature.setNonce(nonce);
    const header = new common.Header();
    header.setChannelHeader(channel.serializeBinary());
    header.setSignatureHeader(signature.serializeBinary());
    const payload = new common.Payload();
    payload.setHeader(header);
    payload.setData(seek.serializeBinary());
    const envelope = new common.Envelope();
    envelope.setPayload(payload.serializeBinary());
    envelope.setSignature(this.#signer.sign(envelope.getPayload_asU8()));
    return envelope.serializeBinary();
  }
}

/** A block, or the status that ends a seek. */
function readAnswer(bytes: Uint8Array): ReceivedBlock | number {
  try {
    const response = new Fields('DeliverResponse', bytes, { 1: 'varint', 2: 'bytes' });
    return response.integer(1) || readBlock(response.required(2));
  } catch (cause) {
    throw new EmbeddedError('CHAIN_BROKEN', 'The upstream sends what is no block', { cause });
  }
}

function positionOf(set: (position: orderer.SeekPosition) => void): orderer.SeekPosition {
  const position = new orderer.SeekPosition();
  set(position);
  return position;
}

function forwarded({ code, details, message, metadata }: Partial<ServiceError> & Error): RpcError {
  const [encoded] = metadata?.get(DETAILS_KEY) ?? [];
  return new RpcError(code ?? status.UNKNOWN, details ?? message, Buffer.isBuffer(encoded) ? encoded : []);
}

function bytesOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

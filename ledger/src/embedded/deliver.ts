import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { common, orderer, peer } from '@hyperledger/fabric-protos';
import { assembleBlock, filterBlock } from './block.ts';
import type { Committer } from './committer.ts';
import type { Channel } from './config.ts';
import { mayRead } from './proposal.ts';
import type { BlockRecord, Store } from './store.ts';
import { read } from './wire.ts';

const { Status } = common;

/** Of `peer.DeliverResponse`. */
const BLOCK_FIELD = 2;

/** How far the time of a request may be from the peer's clock. */
const TIME_WINDOW_MS = 15 * 60_000;

export interface DeliverOptions {
  readonly channel: Channel;
  readonly store: Store;
  readonly committer: Committer;
  readonly clock: () => number;
}

interface Seek {
  readonly start: number;
  readonly stop: number;
  readonly failIfNotReady: boolean;
  readonly headersOnly: boolean;
}

/** The peer's event service: blocks from a position on, whole or filtered, and those to come. */
export class Deliver {
  readonly #options: DeliverOptions;

  constructor(options: DeliverOptions) {
    this.#options = options;
  }

  /** `protos.Deliver/Deliver` and `DeliverFiltered`: one seek after the other, each ended by a status. */
  async *deliver(
    requests: AsyncIterable<Uint8Array>,
    filtered: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for await (const request of requests) {
      const seek = this.#accept(request);
      if (typeof seek === 'number') {
        yield statusOf(seek);
        return;
      }
      for (let number = seek.start; number <= seek.stop; number += 1) {
        if (seek.failIfNotReady && number >= this.#options.committer.height) {
          yield statusOf(Status.NOT_FOUND);
          return;
        }
        await this.#options.committer.reached(number, signal);
        if (!this.#authorised(request)) {
          yield statusOf(Status.FORBIDDEN);
          return;
        }
        yield this.#response(number, filtered, seek.headersOnly);
      }
      yield statusOf(Status.SUCCESS);
    }
  }

  #response(number: number, filtered: boolean, headersOnly: boolean): Uint8Array {
    const { store, channel } = this.#options;
    if (filtered) {
      const response = new peer.DeliverResponse();
      response.setFilteredBlock(filterBlock(channel.name, number, store.transactionsOf(number)));
      return response.serializeBinary();
    }
    const block = assembleBlock(store.block(number) as BlockRecord, headersOnly ? null : store.transactionsOf(number));
    return new BinaryWriter().tag(BLOCK_FIELD, 2).bytes(block).finish();
  }

  /** The range asked for, or the status that refuses it. */
  #accept(request: Uint8Array): Seek | number {
    const { channel, clock, committer } = this.#options;
    try {
      const payload = read.payload(read.envelope(request).getPayload_asU8());
      const header = read.channelHeader(payload.getHeader()?.getChannelHeader_asU8() ?? new Uint8Array());
      const seconds = header.getTimestamp()?.getSeconds() ?? 0;
      if (Math.abs(clock() - seconds * 1000) > TIME_WINDOW_MS) return Status.BAD_REQUEST;
      if (header.getChannelId() !== channel.name) return Status.NOT_FOUND;
      if (!this.#authorised(request)) return Status.FORBIDDEN;
      const info = read.seekInfo(payload.getData_asU8());
      const start = positionOf(info.getStart(), committer.height);
      const stop = positionOf(info.getStop(), committer.height);
      if (start === undefined || stop === undefined || stop < start) return Status.BAD_REQUEST;
      return {
        start,
        stop,
        failIfNotReady: info.getBehavior() === orderer.SeekInfo.SeekBehavior.FAIL_IF_NOT_READY,
        headersOnly: info.getContentType() === orderer.SeekInfo.SeekContentType.HEADER_WITH_SIG,
      };
    } catch {
      return Status.BAD_REQUEST;
    }
  }

  /** Checked again for every block: a stream ends when its reader is revoked. */
  #authorised(request: Uint8Array): boolean {
    const { channel, clock } = this.#options;
    try {
      const envelope = read.envelope(request);
      const header = read.payload(envelope.getPayload_asU8()).getHeader();
      const signer = read.signatureHeader(header?.getSignatureHeader_asU8() ?? new Uint8Array());
      const identity = channel.identify(signer.getCreator_asU8(), clock());
      return mayRead(identity) && identity.verify(envelope.getPayload_asU8(), envelope.getSignature_asU8());
    } catch {
      return false;
    }
  }
}

function positionOf(position: orderer.SeekPosition | undefined, height: number): number | undefined {
  if (!position) return undefined;
  if (position.hasOldest()) return 0;
  if (position.hasNewest()) return height - 1;
  if (position.hasNextCommit()) return height;
  return position.getSpecified()?.getNumber();
}

function statusOf(status: number): Uint8Array {
  const response = new peer.DeliverResponse();
  response.setStatus(status as peer.DeliverResponse.AsObject['status']);
  return response.serializeBinary();
}

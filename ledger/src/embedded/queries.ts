import { status } from '@grpc/grpc-js';
import { gateway, peer } from '@hyperledger/fabric-protos';
import { eventOf } from './block.ts';
import type { Committer } from './committer.ts';
import type { Channel } from './config.ts';
import { decoded, expired, notWritten, RpcError } from './errors.ts';
import { mayRead, ownOrganisation, readProposal, UNPACKING } from './proposal.ts';
import type { Unary } from './service.ts';
import { requireChannel, type Simulator, succeeded } from './simulator.ts';
import type { Store } from './store.ts';
import { read } from './wire.ts';

/** Twice that of a real one. */
const MAX_ID_LENGTH = 128;

interface QueriesOptions {
  readonly channel: Channel;
  readonly store: Store;
  readonly committer: Committer;
  readonly simulator: Simulator;
  readonly clock: () => number;
  /** Whose peers' view this is; the first answers where it does not matter. */
  readonly organisations: readonly [string, ...string[]];
  /** Evaluates for other organisations' peers. */
  readonly elsewhere?: Unary | undefined;
}

/** What a gateway answers from the ledger it has: same statuses, words and details as Fabric's. */
export class Queries {
  readonly #options: QueriesOptions;

  constructor(options: QueriesOptions) {
    this.#options = options;
  }

  async evaluate(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { channel, elsewhere, organisations, simulator } = this.#options;
    const request = decoded(() => read.evaluateRequest(bytes), 'an evaluate request is required');
    const unpacked = decoded(() => readProposal(request.getProposedTransaction()), UNPACKING);
    const proposal = requireChannel(unpacked, channel, status.UNAVAILABLE);
    const targets = request.getTargetOrganizationsList();
    const own = ownOrganisation(proposal, channel, organisations);
    const mspId = targets.length === 0 ? own : targets.find((target) => organisations.includes(target));
    if (mspId === undefined && elsewhere) return elsewhere(bytes, signal);
    if (mspId === undefined || !channel.runs(proposal.chaincode)) {
      const message = `no peers available to evaluate chaincode ${proposal.chaincode} in channel ${proposal.channel}`;
      throw new RpcError(status.FAILED_PRECONDITION, message);
    }
    const refused = simulator.refusal(proposal);
    if (refused !== undefined) {
      const message = `evaluate call to endorser returned error: ${refused}`;
      throw new RpcError(status.FAILED_PRECONDITION, message, [{ mspId, message: refused }]);
    }
    const simulated = await simulator.hold(signal, 'evaluate timeout expired', () =>
      simulator.run(proposal, mspId, signal),
    );
    const { response, executed } = simulated;
    if (!executed) {
      const faults = [{ mspId, message: response.message }];
      throw new RpcError(status.ABORTED, 'failed to evaluate transaction, see attached details for more info', faults);
    }
    if (!succeeded(simulated)) {
      const message = `chaincode response ${response.status}, ${response.message}`;
      const faults = [{ mspId, message }];
      throw new RpcError(status.UNKNOWN, `evaluate call to endorser returned error: ${message}`, faults);
    }
    const result = new peer.Response();
    result.setStatus(response.status);
    result.setMessage(response.message);
    result.setPayload(response.payload);
    const answer = new gateway.EvaluateResponse();
    answer.setResult(result);
    return answer.serializeBinary();
  }

  async commitStatus(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const signed = decoded(() => read.signedCommitStatusRequest(bytes), 'a commit status request is required');
    const request = decoded(() => read.commitStatusRequest(signed.getRequest_asU8()), 'invalid status request');
    const txId = request.getTransactionId();
    if (request.getIdentity_asU8().length === 0) throw new RpcError(status.INVALID_ARGUMENT, 'no identity provided');
    if (request.getChannelId() === '') throw new RpcError(status.INVALID_ARGUMENT, 'no channel ID provided');
    if (txId === '') throw new RpcError(status.INVALID_ARGUMENT, 'transaction ID should not be empty');
    if (txId.length > MAX_ID_LENGTH) throw new RpcError(status.INVALID_ARGUMENT, 'transaction ID is too long');
    this.#authorise(
      request.getChannelId(),
      request.getIdentity_asU8(),
      signed.getRequest_asU8(),
      signed.getSignature_asU8(),
    );
    try {
      const { code, block } = await this.#options.committer.status(txId, signal);
      const answer = new gateway.CommitStatusResponse();
      answer.setResult(code as gateway.CommitStatusResponse.AsObject['result']);
      answer.setBlockNumber(block);
      return answer.serializeBinary();
    } catch (error) {
      throw signal.aborted ? expired(signal, 'context deadline exceeded') : notWritten(error);
    }
  }

  async *chaincodeEvents(bytes: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const signed = decoded(() => read.signedChaincodeEventsRequest(bytes), 'a chaincode events request is required');
    const request = decoded(
      () => read.chaincodeEventsRequest(signed.getRequest_asU8()),
      'invalid chaincode events request',
    );
    this.#authorise(
      request.getChannelId(),
      request.getIdentity_asU8(),
      signed.getRequest_asU8(),
      signed.getSignature_asU8(),
    );
    const { store, committer } = this.#options;
    const after = request.getAfterTransactionId();
    let passed = after === '';
    for (let number = this.#startBlock(request); ; number += 1) {
      await committer.reached(number, signal);
      const events: peer.ChaincodeEvent[] = [];
      for (const { code, envelope, txId } of store.transactionsOf(number)) {
        const event = code === 0 ? eventOf(envelope) : undefined;
        if (passed && event?.getChaincodeId() === request.getChaincodeId()) events.push(event);
        passed ||= event !== undefined && txId === after;
      }
      if (events.length === 0) continue;
      const response = new gateway.ChaincodeEventsResponse();
      response.setBlockNumber(number);
      response.setEventsList(events);
      yield response.serializeBinary();
    }
  }

  #startBlock(request: gateway.ChaincodeEventsRequest): number {
    const { store, committer } = this.#options;
    const after = request.getAfterTransactionId();
    const passed = after === '' ? undefined : store.transaction(after);
    if (passed) return passed.block;
    const position = request.getStartPosition();
    if (position?.hasOldest() || position?.hasNewest()) {
      throw new RpcError(status.INVALID_ARGUMENT, 'invalid start position type');
    }
    return position?.getSpecified()?.getNumber() ?? committer.height;
  }

  #authorise(channelName: string, creator: Uint8Array, message: Uint8Array, signature: Uint8Array): void {
    const { channel, clock } = this.#options;
    try {
      if (channelName !== channel.name) throw new Error('other channel');
      const identity = channel.identify(creator, clock());
      if (!identity.verify(message, signature) || !mayRead(identity)) throw new Error('not a reader');
    } catch {
      const why = `[/Channel/Application/Readers] on channel [${channelName}]`;
      throw new RpcError(
        status.PERMISSION_DENIED,
        `failed evaluating policy on signed data during check policy ${why}`,
      );
    }
  }
}

import { status } from '@grpc/grpc-js';
import { gateway, peer } from '@hyperledger/fabric-protos';
import { eventOf } from './block.ts';
import type { Committer } from './committer.ts';
import type { Channel } from './config.ts';
import type { Endorser, PeerAnswer } from './endorser.ts';
import { EmbeddedError, type PeerFault, RpcError } from './errors.ts';
import { mayRead, mayWrite, type Proposal, readProposal, transactionId } from './proposal.ts';
import type { StateLock } from './state-lock.ts';
import type { Store } from './store.ts';
import { prepareTransaction, readTransaction, type Transaction } from './transaction.ts';
import { read } from './wire.ts';

const ENDORSER_TRANSACTION = 3;
/** Twice that of a real one. */
const MAX_ID_LENGTH = 128;

export interface GatewayOptions {
  readonly channel: Channel;
  readonly store: Store;
  readonly lock: StateLock;
  readonly endorser: Endorser;
  readonly committer: Committer;
  readonly clock: () => number;
}

/** The gateway service of Fabric: same statuses, words and details, one gateway for all organisations. */
export class Gateway {
  readonly #options: GatewayOptions;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  async evaluate(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const request = decode(() => read.evaluateRequest(bytes), 'an evaluate request is required');
    const proposal = this.#proposal(() => readProposal(request.getProposedTransaction()), status.UNAVAILABLE);
    const own = this.#ownOrganisation(proposal);
    const targets = request.getTargetOrganizationsList();
    const mspId = targets.length === 0 ? own : targets.find((target) => this.#options.channel.peers.has(target));
    if (mspId === undefined || !this.#runs(proposal.chaincode)) {
      const message = `no peers available to evaluate chaincode ${proposal.chaincode} in channel ${proposal.channel}`;
      throw new RpcError(status.FAILED_PRECONDITION, message);
    }
    const refused = this.#check(proposal);
    if (refused !== undefined) {
      const message = `evaluate call to endorser returned error: ${refused}`;
      throw new RpcError(status.FAILED_PRECONDITION, message, [{ mspId, message: refused }]);
    }
    const { response, executed } = await this.#simulate(signal, 'evaluate timeout expired', () =>
      this.#options.endorser.endorse(proposal, mspId, signal),
    );
    if (!executed) {
      const faults = [{ mspId, message: response.message }];
      throw new RpcError(status.ABORTED, 'failed to evaluate transaction, see attached details for more info', faults);
    }
    if (response.status < 200 || response.status >= 400) {
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

  async endorse(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const request = decode(() => read.endorseRequest(bytes), 'an endorse request is required');
    const proposal = this.#proposal(() => readProposal(request.getProposedTransaction()), status.FAILED_PRECONDITION);
    const chosen = [...new Set(request.getEndorsingOrganizationsList())];
    const answers = await this.#simulate(signal, 'endorsement timeout expired while collecting endorsements', () =>
      chosen.length > 0 ? this.#endorseBy(proposal, chosen, signal) : this.#endorseByPolicy(proposal, signal),
    );
    const { responsePayload } = answers[0] as PeerAnswer;
    const endorsements = answers.map(({ endorsement }) => endorsement as peer.Endorsement);
    const answer = new gateway.EndorseResponse();
    answer.setPreparedTransaction(prepareTransaction(proposal, responsePayload, endorsements));
    return answer.serializeBinary();
  }

  async submit(bytes: Uint8Array): Promise<Uint8Array> {
    const request = decode(() => read.submitRequest(bytes), 'a submit request is required');
    const envelope = request.getPreparedTransaction();
    if (!envelope) throw new RpcError(status.INVALID_ARGUMENT, 'a prepared transaction is required');
    if (envelope.getSignature_asU8().length === 0) {
      throw new RpcError(status.INVALID_ARGUMENT, 'prepared transaction must be signed');
    }
    const transaction = this.#order(envelope.serializeBinary());
    const { committer } = this.#options;
    if (committer.refusal) throw new RpcError(status.UNAVAILABLE, committer.refusal);
    try {
      await committer.submit(transaction);
    } catch (error) {
      throw notWritten(error);
    }
    return new gateway.SubmitResponse().serializeBinary();
  }

  async commitStatus(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const signed = decode(() => read.signedCommitStatusRequest(bytes), 'a commit status request is required');
    const request = decode(() => read.commitStatusRequest(signed.getRequest_asU8()), 'invalid status request');
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
    const signed = decode(() => read.signedChaincodeEventsRequest(bytes), 'a chaincode events request is required');
    const request = decode(
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

  /** One simulation lock for all organisations: their peers stand at the same height. */
  async #simulate<T>(signal: AbortSignal, expiry: string, run: () => Promise<T>): Promise<T> {
    const release = await this.#options.lock.read();
    try {
      if (signal.aborted) throw expired(signal, expiry);
      const result = await run();
      if (signal.aborted) throw expired(signal, expiry);
      return result;
    } catch (error) {
      throw signal.aborted ? expired(signal, expiry) : error;
    } finally {
      release();
    }
  }

  async #endorseBy(proposal: Proposal, organisations: readonly string[], signal: AbortSignal): Promise<PeerAnswer[]> {
    const { channel, endorser } = this.#options;
    const missing = organisations.filter((mspId) => !channel.peers.has(mspId) || !this.#runs(proposal.chaincode));
    if (missing.length > 0) {
      const message = `failed to find any endorsing peers for org(s): ${missing.join(', ')}`;
      throw new RpcError(status.UNAVAILABLE, message);
    }
    const refused = this.#check(proposal);
    if (refused !== undefined) throw notEnough(organisations.map((mspId) => ({ mspId, message: refused })));
    const answers = await Promise.all(organisations.map((mspId) => endorser.endorse(proposal, mspId, signal)));
    const faults = faultsOf(answers);
    if (faults.length > 0) throw notEnough(faults);
    return answers;
  }

  /** Asks the submitter's own organisation first, then whoever the policies of all touched chaincodes still need. */
  async #endorseByPolicy(proposal: Proposal, signal: AbortSignal): Promise<PeerAnswer[]> {
    const { endorser } = this.#options;
    const own = this.#ownOrganisation(proposal);
    const plan = (namespaces: readonly string[]) => {
      const layouts = endorser.layouts([...new Set([proposal.chaincode, ...namespaces])].sort(), own);
      if (layouts.length > 0) return layouts;
      const why = 'no combination of peers can be derived which satisfy the endorsement policy';
      throw new RpcError(status.FAILED_PRECONDITION, `${why}: chaincode ${proposal.chaincode}`);
    };
    const [preferred = []] = plan([]);
    const starter = preferred.includes(own) ? own : (preferred[0] as string);
    const refused = this.#check(proposal);
    const first = refused === undefined ? await endorser.endorse(proposal, starter, signal) : undefined;
    if (!first?.endorsement) {
      const faults = first ? faultsOf([first]) : [{ mspId: starter, message: refused ?? '' }];
      throw new RpcError(status.ABORTED, 'failed to endorse transaction, see attached details for more info', faults);
    }
    const answers = new Map([[starter, first]]);
    const faults = new Map<string, PeerFault>();
    for (const layout of plan(first.namespaces)) {
      if (layout.some((mspId) => faults.has(mspId))) continue;
      const missing = layout.filter((mspId) => !answers.has(mspId));
      const more = await Promise.all(missing.map((mspId) => endorser.endorse(proposal, mspId, signal)));
      const failed = faultsOf([first, ...more]);
      for (const fault of failed) faults.set(fault.mspId, fault);
      for (const answer of more) if (!faults.has(answer.mspId)) answers.set(answer.mspId, answer);
      if (failed.length === 0) return layout.map((mspId) => answers.get(mspId) as PeerAnswer);
    }
    throw notEnough([...faults.values()]);
  }

  #proposal(read: () => Proposal, otherChannel: status): Proposal {
    const proposal = decode(read, 'failed to unpack transaction proposal');
    if (proposal.channel === this.#options.channel.name) return proposal;
    throw new RpcError(otherChannel, `channel '${proposal.channel}' not found`);
  }

  #check(proposal: Proposal): string | undefined {
    try {
      this.#options.endorser.check(proposal);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #runs(chaincode: string): boolean {
    return chaincode === 'qscc' || this.#options.channel.chaincodes.has(chaincode);
  }

  #ownOrganisation({ creator }: Proposal): string {
    const { channel } = this.#options;
    return channel.organisationOf(creator) ?? ([...channel.peers.keys()][0] as string);
  }

  /** What the orderer checks before it takes an envelope. */
  #order(bytes: Uint8Array): Transaction {
    const { channel, clock } = this.#options;
    const unsuccessful = (code: string, info: string) =>
      new RpcError(status.ABORTED, `received unsuccessful response from orderer: status=${code}, info=${info}`);
    let transaction: Transaction;
    try {
      transaction = readTransaction(bytes);
    } catch {
      throw unsuccessful('BAD_REQUEST', 'could not determine channel ID: bad payload');
    }
    const { creator, nonce, payload, signature, txId, type } = transaction;
    if (transaction.channel !== channel.name)
      throw unsuccessful('NOT_FOUND', `channel ${transaction.channel} not found`);
    if (type !== ENDORSER_TRANSACTION) throw unsuccessful('BAD_REQUEST', 'only endorser transactions are supported');
    try {
      const identity = channel.identify(creator, clock());
      if (!identity.verify(payload, signature) || !mayWrite(identity)) throw new Error('not a writer');
    } catch {
      const policy = "this policy requires 1 of the 'Writers' sub-policies to be satisfied: permission denied";
      throw unsuccessful(
        'FORBIDDEN',
        `implicit policy evaluation failed - 0 sub-policies were satisfied, but ${policy}`,
      );
    }
    if (txId !== transactionId(nonce, creator))
      throw unsuccessful('BAD_REQUEST', 'transaction ID is not the computed one');
    return transaction;
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

/** The status of a call whose client gave up or ran out of time. */
function expired(signal: AbortSignal, message: string): RpcError {
  const reason: unknown = signal.reason;
  return reason instanceof RpcError ? reason : new RpcError(status.DEADLINE_EXCEEDED, message);
}

function decode<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (error) {
    throw new RpcError(status.INVALID_ARGUMENT, `${what}: ${(error as Error).message}`);
  }
}

/** Why answers cannot be used together: refusals, and results other than the first one. */
function faultsOf(answers: readonly PeerAnswer[]): PeerFault[] {
  const agreed = answers.find(({ endorsement }) => endorsement)?.responsePayload;
  return answers.flatMap(({ mspId, response, executed, endorsement, responsePayload }): PeerFault[] => {
    if (!executed) return [{ mspId, message: response.message }];
    if (!endorsement) return [{ mspId, message: `chaincode response ${response.status}, ${response.message}` }];
    const same = agreed === undefined || Buffer.compare(agreed, responsePayload) === 0;
    return same ? [] : [{ mspId, message: 'ProposalResponsePayloads do not match' }];
  });
}

function notEnough(faults: readonly PeerFault[]): RpcError {
  const message = 'failed to collect enough transaction endorsements, see attached details for more info';
  return new RpcError(status.ABORTED, message, faults);
}

function notWritten(error: unknown): unknown {
  if (!(error instanceof EmbeddedError)) return error;
  return new RpcError(status.UNAVAILABLE, `the block could not be written (${error.code}): ${error.message}`);
}

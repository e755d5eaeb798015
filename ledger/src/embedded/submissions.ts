import { status } from '@grpc/grpc-js';
import { common, gateway, type peer } from '@hyperledger/fabric-protos';
import type { Channel } from './config.ts';
import type { Endorser, PeerAnswer } from './endorser.ts';
import { decoded, notWritten, type PeerFault, RpcError } from './errors.ts';
import type { Orderer } from './orderer.ts';
import { mayWrite, ownOrganisation, type Proposal, readProposal, transactionId, UNPACKING } from './proposal.ts';
import { requireChannel, type Simulator } from './simulator.ts';
import { prepareTransaction, readTransaction, type Transaction } from './transaction.ts';
import { read } from './wire.ts';

const { ENDORSER_TRANSACTION } = common.HeaderType;

interface SubmissionsOptions {
  readonly channel: Channel;
  /** MSP ids of the peers that endorse. */
  readonly organisations: readonly [string, ...string[]];
  readonly simulator: Simulator;
  readonly endorser: Endorser;
  readonly orderer: Orderer;
  readonly clock: () => number;
}

/** What a gateway does with transactions on their way: one gateway for all organisations, words as Fabric's. */
export class Submissions {
  readonly #options: SubmissionsOptions;

  constructor(options: SubmissionsOptions) {
    this.#options = options;
  }

  async endorse(bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { channel, simulator } = this.#options;
    const request = decoded(() => read.endorseRequest(bytes), 'an endorse request is required');
    const unpacked = decoded(() => readProposal(request.getProposedTransaction()), UNPACKING);
    const proposal = requireChannel(unpacked, channel, status.FAILED_PRECONDITION);
    const chosen = [...new Set(request.getEndorsingOrganizationsList())];
    const answers = await simulator.hold(signal, 'endorsement timeout expired while collecting endorsements', () =>
      chosen.length > 0 ? this.#endorseBy(proposal, chosen, signal) : this.#endorseByPolicy(proposal, signal),
    );
    const { responsePayload } = answers[0] as PeerAnswer;
    const endorsements = answers.map(({ endorsement }) => endorsement as peer.Endorsement);
    const answer = new gateway.EndorseResponse();
    answer.setPreparedTransaction(prepareTransaction(proposal, responsePayload, endorsements));
    return answer.serializeBinary();
  }

  async submit(bytes: Uint8Array): Promise<Uint8Array> {
    const request = decoded(() => read.submitRequest(bytes), 'a submit request is required');
    const envelope = request.getPreparedTransaction();
    if (!envelope) throw new RpcError(status.INVALID_ARGUMENT, 'a prepared transaction is required');
    if (envelope.getSignature_asU8().length === 0) {
      throw new RpcError(status.INVALID_ARGUMENT, 'prepared transaction must be signed');
    }
    const transaction = this.#order(envelope.serializeBinary());
    const { orderer } = this.#options;
    if (orderer.refusal) throw new RpcError(status.UNAVAILABLE, orderer.refusal);
    try {
      await orderer.submit(transaction);
    } catch (error) {
      throw notWritten(error);
    }
    return new gateway.SubmitResponse().serializeBinary();
  }

  async #endorseBy(proposal: Proposal, organisations: readonly string[], signal: AbortSignal): Promise<PeerAnswer[]> {
    const { channel, endorser, simulator } = this.#options;
    const runs = channel.runs(proposal.chaincode);
    const missing = organisations.filter((mspId) => !runs || !this.#options.organisations.includes(mspId));
    if (missing.length > 0) {
      const message = `failed to find any endorsing peers for org(s): ${missing.join(', ')}`;
      throw new RpcError(status.UNAVAILABLE, message);
    }
    const refused = simulator.refusal(proposal);
    if (refused !== undefined) throw notEnough(organisations.map((mspId) => ({ mspId, message: refused })));
    const answers = await Promise.all(organisations.map((mspId) => endorser.endorse(proposal, mspId, signal)));
    const faults = faultsOf(answers);
    if (faults.length > 0) throw notEnough(faults);
    return answers;
  }

  /** Asks the submitter's own organisation first, then whoever the policies of all touched chaincodes still need. */
  async #endorseByPolicy(proposal: Proposal, signal: AbortSignal): Promise<PeerAnswer[]> {
    const { channel, endorser, organisations, simulator } = this.#options;
    const own = ownOrganisation(proposal, channel, organisations);
    const plan = (namespaces: readonly string[]) => {
      const layouts = endorser.layouts([...new Set([proposal.chaincode, ...namespaces])].sort(), own);
      if (layouts.length > 0) return layouts;
      const why = 'no combination of peers can be derived which satisfy the endorsement policy';
      throw new RpcError(status.FAILED_PRECONDITION, `${why}: chaincode ${proposal.chaincode}`);
    };
    const [preferred = []] = plan([]);
    const starter = preferred.includes(own) ? own : (preferred[0] as string);
    const refused = simulator.refusal(proposal);
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

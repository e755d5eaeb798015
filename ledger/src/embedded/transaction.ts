import { common, peer } from '@hyperledger/fabric-protos';
import type { Proposal } from './proposal.ts';
import { read } from './wire.ts';

/** A transaction envelope as the orderer reads it. */
export interface Transaction {
  /** `common.Envelope` */
  readonly envelope: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly header: common.Header;
  /** `peer.Transaction` */
  readonly data: Uint8Array;
  readonly channel: string;
  readonly txId: string;
  readonly type: number;
  /** Seconds and nanoseconds the submitter gave. */
  readonly timestamp: { readonly seconds: number; readonly nanos: number };
  readonly creator: Uint8Array;
  readonly nonce: Uint8Array;
  readonly chaincode: string;
}

/** The endorsed part of a transaction. */
export interface Action {
  readonly proposalPayload: Uint8Array;
  readonly proposalHash: Uint8Array;
  /** What the endorsers signed, followed by their own identity. */
  readonly responsePayload: Uint8Array;
  readonly endorsements: readonly { readonly endorser: Uint8Array; readonly signature: Uint8Array }[];
  readonly chaincode: string;
  readonly version: string;
  /** `rwset.TxReadWriteSet` */
  readonly readWriteSet: Uint8Array;
  readonly event: peer.ChaincodeEvent | undefined;
  readonly signatureHeader: Uint8Array;
}

/** @throws Error when the bytes are no envelope with both headers */
export function readTransaction(bytes: Uint8Array): Transaction {
  const envelope = read.envelope(bytes);
  const payload = read.payload(envelope.getPayload_asU8());
  const header = payload.getHeader();
  if (!header) throw new Error('envelope has no header');
  const channel = read.channelHeader(header.getChannelHeader_asU8());
  const signer = read.signatureHeader(header.getSignatureHeader_asU8());
  const timestamp = channel.getTimestamp();
  return {
    envelope: bytes,
    payload: envelope.getPayload_asU8(),
    signature: envelope.getSignature_asU8(),
    header,
    data: payload.getData_asU8(),
    channel: channel.getChannelId(),
    txId: channel.getTxId(),
    type: channel.getType(),
    timestamp: { seconds: timestamp?.getSeconds() ?? 0, nanos: timestamp?.getNanos() ?? 0 },
    creator: signer.getCreator_asU8(),
    nonce: signer.getNonce_asU8(),
    chaincode: read.chaincodeHeaderExtension(channel.getExtension_asU8()).getChaincodeId()?.getName() ?? '',
  };
}

/** @throws Error when the transaction has not exactly one endorsed action */
export function readAction({ data }: Transaction): Action {
  const [only, ...others] = read.transaction(data).getActionsList();
  if (!only || others.length > 0) throw new Error('only one action per transaction is supported');
  const payload = read.chaincodeActionPayload(only.getPayload_asU8());
  const action = payload.getAction();
  if (!action) throw new Error('nil action');
  const response = read.proposalResponsePayload(action.getProposalResponsePayload_asU8());
  const result = read.chaincodeAction(response.getExtension_asU8());
  const event = result.getEvents_asU8();
  return {
    proposalPayload: payload.getChaincodeProposalPayload_asU8(),
    proposalHash: response.getProposalHash_asU8(),
    responsePayload: action.getProposalResponsePayload_asU8(),
    endorsements: action.getEndorsementsList().map((endorsement) => ({
      endorser: endorsement.getEndorser_asU8(),
      signature: endorsement.getSignature_asU8(),
    })),
    chaincode: result.getChaincodeId()?.getName() ?? '',
    version: result.getChaincodeId()?.getVersion() ?? '',
    readWriteSet: result.getResults_asU8(),
    event: event.length > 0 ? read.chaincodeEvent(event) : undefined,
    signatureHeader: only.getHeader_asU8(),
  };
}

/** The unsigned envelope that a client gets back to sign. */
export function prepareTransaction(
  { header, payload }: Proposal,
  responsePayload: Uint8Array,
  endorsements: readonly peer.Endorsement[],
): common.Envelope {
  const endorsed = new peer.ChaincodeEndorsedAction();
  endorsed.setProposalResponsePayload(responsePayload);
  endorsed.setEndorsementsList([...endorsements]);
  const actionPayload = new peer.ChaincodeActionPayload();
  actionPayload.setChaincodeProposalPayload(payload);
  actionPayload.setAction(endorsed);
  const action = new peer.TransactionAction();
  action.setHeader(header.getSignatureHeader_asU8());
  action.setPayload(actionPayload.serializeBinary());
  const transaction = new peer.Transaction();
  transaction.setActionsList([action]);
  const result = new common.Payload();
  result.setHeader(header);
  result.setData(transaction.serializeBinary());
  const envelope = new common.Envelope();
  envelope.setPayload(result.serializeBinary());
  return envelope;
}

/**
 * Whether a prepared transaction is the answer to this very proposal: its submitter signs it unread.
 * @param answer `gateway.EndorseResponse`
 */
export function isAnswerTo(proposal: Proposal, answer: Uint8Array): boolean {
  try {
    const prepared = read.endorseResponse(answer).getPreparedTransaction();
    const transaction = readTransaction(prepared?.serializeBinary() ?? new Uint8Array());
    const action = readAction(transaction);
    const pairs = [
      [transaction.header.serializeBinary(), proposal.header.serializeBinary()],
      [action.signatureHeader, proposal.header.getSignatureHeader_asU8()],
      [action.proposalPayload, proposal.payload],
      [action.proposalHash, proposal.hash],
    ] as const;
    return pairs.every(([a, b]) => Buffer.compare(a, b) === 0);
  } catch {
    return false;
  }
}

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { concatBytes, decodeUtf8, equalBytes } from './encoding.ts';
import { VerifyError } from './errors.ts';
import { Fields } from './fields.ts';

/** One key a transaction wrote; `value` is `null` when it deleted the key. */
export interface Write {
  readonly namespace: string;
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** An endorser's signature over the proposal response and its own identity. */
interface Endorsement {
  /** Serialized identity. */
  readonly endorser: Uint8Array;
  readonly signature: Uint8Array;
  readonly message: Uint8Array;
}

/** What a committed envelope says, each part consistent with the others and no signature checked. */
export interface Envelope {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly channel: string;
  readonly transactionId: string;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  /** Serialized identity of the submitter. */
  readonly creator: Uint8Array;
  readonly chaincode: string;
  readonly chaincodeVersion: string;
  readonly function: string;
  /** Without the function. */
  readonly args: readonly Uint8Array[];
  readonly status: number;
  /** What the contract returned. */
  readonly result: Uint8Array;
  readonly endorsements: readonly Endorsement[];
  /** Serialized `rwset.TxReadWriteSet`. */
  readonly readWriteSet: Uint8Array;
}

export const MAX_ENVELOPE_BYTES = 4 * 1024 * 1024;
const MAX_ENDORSEMENTS = 64;
const MAX_ARGUMENTS = 256;
const ENDORSER_TRANSACTION = 3;
const CHAINCODE_ID = { 1: 'bytes', 2: 'bytes', 3: 'bytes' } as const;

/**
 * Takes a `common.Envelope` of one endorser transaction apart (SPEC.md §3), with everything that can be checked
 * without trust: transaction id, proposal hash, one chaincode named in all four places.
 * @throws VerifyError PROOF_MALFORMED, TRANSACTION_MISMATCH, PROPOSAL_HASH_MISMATCH, CHAINCODE_MISMATCH
 */
export function readEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length > MAX_ENVELOPE_BYTES) throw malformed('Envelope is too big');
  const envelope = new Fields('Envelope', bytes, { 1: 'bytes', 2: 'bytes' });
  const payload = new Fields('Payload', envelope.required(1), { 1: 'bytes', 2: 'bytes' });
  const header = new Fields('Header', payload.required(1), { 1: 'bytes', 2: 'bytes' });
  const channel = readChannelHeader(header.required(1));
  const signer = new Fields('SignatureHeader', header.required(2), { 1: 'bytes', 2: 'bytes' });
  const creator = signer.required(1);
  if (channel.transactionId !== bytesToHex(sha256(concatBytes(signer.required(2), creator)))) {
    throw new VerifyError('TRANSACTION_MISMATCH', 'Transaction id is not the hash of nonce and creator');
  }
  const action = readAction(payload.required(2), header.required(2));
  const proposal = readProposal(action.proposalPayload);
  const response = readResponse(action.responsePayload);
  const hash = sha256(concatBytes(header.required(1), header.required(2), action.proposalPayload));
  if (!equalBytes(hash, response.proposalHash)) {
    throw new VerifyError('PROPOSAL_HASH_MISMATCH', 'Endorsed result belongs to another proposal');
  }
  if (channel.chaincode !== proposal.chaincode || response.chaincode !== proposal.chaincode) {
    throw new VerifyError('CHAINCODE_MISMATCH', 'Proposal and result name different chaincodes');
  }
  return {
    payload: envelope.required(1),
    signature: envelope.required(2),
    channel: channel.channel,
    transactionId: channel.transactionId,
    timestamp: channel.timestamp,
    creator,
    chaincode: proposal.chaincode,
    chaincodeVersion: response.chaincodeVersion,
    function: proposal.function,
    args: proposal.args,
    status: response.status,
    result: response.result,
    endorsements: action.endorsements,
    readWriteSet: response.readWriteSet,
  };
}

/**
 * The keys a transaction wrote, in the order of its read-write set.
 * @throws VerifyError PROOF_MALFORMED
 */
export function readWrites(readWriteSet: Uint8Array): Write[] {
  const set = new Fields('TxReadWriteSet', readWriteSet, { 1: 'varint', 2: 'bytes*' });
  return set.repeated(2).flatMap((bytes) => {
    const namespace = new Fields('NsReadWriteSet', bytes, { 1: 'bytes', 2: 'bytes', 3: 'bytes*' });
    const shape = { 1: 'bytes*', 2: 'bytes*', 3: 'bytes*', 4: 'bytes*' } as const;
    const writes = new Fields('KVRWSet', namespace.bytes(2), shape).repeated(3);
    return writes.map((entry) => {
      const write = new Fields('KVWrite', entry, { 1: 'bytes', 2: 'varint', 3: 'bytes' });
      const value = write.integer(2) === 0 ? write.bytes(3) : null;
      return { namespace: namespace.text(1), key: write.text(1), value };
    });
  });
}

function readChannelHeader(bytes: Uint8Array) {
  const header = new Fields('ChannelHeader', bytes, {
    1: 'varint',
    2: 'varint',
    3: 'bytes',
    4: 'bytes',
    5: 'bytes',
    6: 'varint',
    7: 'bytes',
    8: 'bytes',
  });
  if (header.integer(1) !== ENDORSER_TRANSACTION) throw malformed('Envelope is no endorser transaction');
  const timestamp = new Fields('Timestamp', header.required(3), { 1: 'varint', 2: 'varint' });
  const extension = new Fields('ChaincodeHeaderExtension', header.required(7), { 2: 'bytes' });
  return {
    channel: header.text(4),
    transactionId: header.text(5),
    timestamp: timestamp.integer(1) * 1000 + Math.floor(timestamp.integer(2) / 1_000_000),
    chaincode: new Fields('ChaincodeID', extension.required(2), CHAINCODE_ID).text(2),
  };
}

function readAction(data: Uint8Array, signatureHeader: Uint8Array) {
  const [only, ...others] = new Fields('Transaction', data, { 1: 'bytes*' }).repeated(1);
  if (!only || others.length > 0) throw malformed('Transaction has not exactly one action');
  const action = new Fields('TransactionAction', only, { 1: 'bytes', 2: 'bytes' });
  if (!equalBytes(action.bytes(1), signatureHeader)) throw malformed('Action is by another signer');
  const payload = new Fields('ChaincodeActionPayload', action.required(2), { 1: 'bytes', 2: 'bytes' });
  const endorsed = new Fields('ChaincodeEndorsedAction', payload.required(2), { 1: 'bytes', 2: 'bytes*' });
  const responsePayload = endorsed.required(1);
  if (endorsed.repeated(2).length > MAX_ENDORSEMENTS) throw malformed('Too many endorsements');
  const endorsements = endorsed.repeated(2).map((bytes): Endorsement => {
    const endorsement = new Fields('Endorsement', bytes, { 1: 'bytes', 2: 'bytes' });
    const endorser = endorsement.required(1);
    return { endorser, signature: endorsement.required(2), message: concatBytes(responsePayload, endorser) };
  });
  return { proposalPayload: payload.required(1), responsePayload, endorsements };
}

function readProposal(bytes: Uint8Array) {
  const payload = new Fields('ChaincodeProposalPayload', bytes, { 1: 'bytes' });
  const invocation = new Fields('ChaincodeInvocationSpec', payload.required(1), { 1: 'bytes' });
  const shape = { 1: 'varint', 2: 'bytes', 3: 'bytes', 4: 'varint' } as const;
  const spec = new Fields('ChaincodeSpec', invocation.required(1), shape);
  const [name, ...args] = new Fields('ChaincodeInput', spec.required(3), { 1: 'bytes*' }).repeated(1);
  if (!name || args.length > MAX_ARGUMENTS) throw malformed('Function is missing or has too many arguments');
  return {
    chaincode: new Fields('ChaincodeID', spec.required(2), CHAINCODE_ID).text(2),
    function: textOf(name),
    args,
  };
}

function readResponse(bytes: Uint8Array) {
  const payload = new Fields('ProposalResponsePayload', bytes, { 1: 'bytes', 2: 'bytes' });
  const shape = { 1: 'bytes', 2: 'bytes', 3: 'bytes', 4: 'bytes' } as const;
  const action = new Fields('ChaincodeAction', payload.required(2), shape);
  const response = new Fields('Response', action.required(3), { 1: 'varint', 2: 'bytes', 3: 'bytes' });
  const chaincode = new Fields('ChaincodeID', action.required(4), CHAINCODE_ID);
  return {
    proposalHash: payload.required(1),
    readWriteSet: action.bytes(1),
    status: response.integer(1),
    result: response.bytes(3),
    chaincode: chaincode.text(2),
    chaincodeVersion: chaincode.text(3),
  };
}

function textOf(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    throw new VerifyError('PROOF_MALFORMED', 'Function is not UTF-8', { cause });
  }
}

function malformed(message: string): VerifyError {
  return new VerifyError('PROOF_MALFORMED', message);
}

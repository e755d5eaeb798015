import { createHash } from 'node:crypto';
import { common, peer } from '@hyperledger/fabric-protos';
import type { Identity } from '../msp.ts';
import type { Channel } from './config.ts';
import { read } from './wire.ts';

/** A signed proposal taken apart. Nothing of it is checked but its shape. */
export interface Proposal {
  readonly signed: peer.SignedProposal;
  readonly header: common.Header;
  readonly channel: string;
  readonly txId: string;
  readonly chaincode: string;
  /** Serialized identity. */
  readonly creator: Uint8Array;
  readonly nonce: Uint8Array;
  readonly type: number;
  readonly epoch: number;
  readonly input: peer.ChaincodeInput;
  readonly transient: boolean;
  /** `peer.ChaincodeProposalPayload` without the transient map, as it goes into the transaction. */
  readonly payload: Uint8Array;
  /** What the endorsers' answers are bound to. */
  readonly hash: Uint8Array;
}

/** @throws Error when the bytes are no proposal to a chaincode */
export function readProposal(signed: peer.SignedProposal | undefined): Proposal {
  if (!signed || signed.getProposalBytes_asU8().length === 0) throw new Error('a signed proposal is required');
  const proposal = read.proposal(signed.getProposalBytes_asU8());
  const header = read.header(proposal.getHeader_asU8());
  const channel = read.channelHeader(header.getChannelHeader_asU8());
  const signature = read.signatureHeader(header.getSignatureHeader_asU8());
  const extension = read.chaincodeHeaderExtension(channel.getExtension_asU8());
  const full = read.chaincodeProposalPayload(proposal.getPayload_asU8());
  const spec = read.chaincodeInvocationSpec(full.getInput_asU8()).getChaincodeSpec();
  if (!channel.getChannelId()) throw new Error('no channel id provided');
  if (!channel.getTimestamp()) throw new Error('no timestamp provided');
  const chaincode = extension.getChaincodeId()?.getName();
  if (!spec || !chaincode || spec.getChaincodeId()?.getName() !== chaincode) {
    throw new Error(`no chaincode name is provided, channel id [${channel.getChannelId()}]`);
  }
  const input = spec.getInput();
  if (!input) throw new Error('chaincode input did not contain any input');
  const kept = new peer.ChaincodeProposalPayload();
  kept.setInput(full.getInput_asU8());
  const payload = kept.serializeBinary();
  return {
    signed,
    header,
    channel: channel.getChannelId(),
    txId: channel.getTxId(),
    chaincode,
    creator: signature.getCreator_asU8(),
    nonce: signature.getNonce_asU8(),
    type: channel.getType(),
    epoch: channel.getEpoch(),
    input,
    transient: full.getTransientmapMap().getLength() > 0,
    payload,
    hash: sha256(header.getChannelHeader_asU8(), header.getSignatureHeader_asU8(), payload),
  };
}

/**
 * The checks of an endorser before it runs anything.
 * @throws Error with Fabric's words
 */
export function checkProposal(proposal: Proposal, channel: Channel, at: number): Identity {
  const { txId, nonce, creator } = proposal;
  const refuse = (why: string) => new Error(`error validating proposal: ${why}`);
  if (proposal.type !== common.HeaderType.ENDORSER_TRANSACTION) throw refuse(`invalid header type ${proposal.type}`);
  if (proposal.epoch !== 0) throw refuse('epoch is non-zero');
  if (nonce.length === 0) throw refuse('nonce is empty');
  if (creator.length === 0) throw refuse('creator is empty');
  const expected = transactionId(nonce, creator);
  if (txId !== expected) throw refuse(`incorrectly computed txid '${txId}' -- expected '${expected}'`);
  const denied = `access denied: channel [${channel.name}] creator org`;
  const mspId = channel.organisationOf(creator);
  if (mspId === undefined) throw refuse(`${denied} unknown, creator is malformed`);
  let identity: Identity;
  try {
    identity = channel.identify(creator, at);
  } catch (cause) {
    throw new Error(`error validating proposal: ${denied} [${mspId}]`, { cause });
  }
  if (!identity.verify(proposal.signed.getProposalBytes_asU8(), proposal.signed.getSignature_asU8())) {
    throw refuse(`${denied} [${mspId}]`);
  }
  if (!mayWrite(identity)) {
    throw new Error(
      `failed evaluating policy on signed data during check policy [/Channel/Application/Writers]: ${identity.mspId}`,
    );
  }
  return identity;
}

/** What a request with something else in it is told. */
export const UNPACKING = 'failed to unpack transaction proposal';

/** The submitter's own organisation when it is among these, or else their first. */
export function ownOrganisation(
  { creator }: Proposal,
  channel: Channel,
  organisations: readonly [string, ...string[]],
): string {
  const own = channel.organisationOf(creator);
  return own !== undefined && organisations.includes(own) ? own : organisations[0];
}

export function transactionId(nonce: Uint8Array, creator: Uint8Array): string {
  return Buffer.from(sha256(nonce, creator)).toString('hex');
}

/** The channel's Writers as Fabric's default policies name them. */
export function mayWrite({ roles }: Identity): boolean {
  return roles.has('client') || roles.has('admin');
}

/** The channel's Readers. */
export function mayRead(identity: Identity): boolean {
  return mayWrite(identity) || identity.roles.has('peer');
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

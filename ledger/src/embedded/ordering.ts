import { common } from '@hyperledger/fabric-protos';
import { type Certificate, readCertificate } from '../certificate.ts';
import { readSerializedIdentity } from '../msp.ts';
import { type Header, headerBytes, headerHash } from './block.ts';
import { type Definition, decodeDefinition, encodeDefinition } from './definition.ts';
import type { Signer } from './signer.ts';
import { read } from './wire.ts';

/** What the orderer decides about a block besides its transactions, and signs with its header. */
export interface Ordering {
  /** Epoch milliseconds at which certificates are judged. Never falls from block to block. */
  readonly at: number;
  /** In force from this block on; without it, the one before stays. */
  readonly definition?: Definition;
}

/** Whose signature makes a block one of the channel. */
export interface OrdererTrust {
  readonly mspId: string;
  readonly certificates: readonly Certificate[];
}

/** `common.Metadata` with the orderer's signature over header and ordering, as real Fabric has it. */
export function signOrdering(header: Header, ordering: Ordering, orderer: Signer): Uint8Array {
  const value = encodeOrdering(ordering);
  const signer = new common.SignatureHeader();
  signer.setCreator(orderer.identity);
  signer.setNonce(headerHash(header).subarray(0, 24));
  const signature = new common.MetadataSignature();
  signature.setSignatureHeader(signer.serializeBinary());
  signature.setSignature(orderer.sign(value, signature.getSignatureHeader_asU8(), headerBytes(header)));
  const signed = new common.Metadata();
  signed.setValue(value);
  signed.setSignaturesList([signature]);
  return signed.serializeBinary();
}

/**
 * Reads what the orderer signed.
 * @param bytes `common.Metadata`
 * @throws Error when it is not signed by the channel's orderer for this header, or not what `signOrdering` makes
 */
export function openOrdering(header: Header, bytes: Uint8Array, { mspId, certificates }: OrdererTrust): Ordering {
  const metadata = read.metadata(bytes);
  const [signature, ...others] = metadata.getSignaturesList();
  if (!signature || others.length > 0) throw new Error('not one signature');
  const creator = read.signatureHeader(signature.getSignatureHeader_asU8()).getCreator_asU8();
  const signer = readSerializedIdentity(creator);
  const { fingerprint } = readCertificate(signer.certificate);
  const certificate = certificates.find((known) => known.fingerprint === fingerprint);
  if (signer.mspId !== mspId || !certificate) throw new Error('not signed by the orderer');
  const value = metadata.getValue_asU8();
  const message = Buffer.concat([value, signature.getSignatureHeader_asU8(), headerBytes(header)]);
  if (!certificate.verify(message, signature.getSignature_asU8())) throw new Error('signature is not valid');
  return decodeOrdering(value);
}

/** `common.OrdererBlockMetadata`; the consenter's own part is ours to fill. */
function encodeOrdering({ at, definition }: Ordering): Uint8Array {
  const consenter = new common.Metadata();
  const text = definition === undefined ? '' : encodeDefinition(definition);
  consenter.setValue(Buffer.from(`${at}\n${text}`));
  const metadata = new common.OrdererBlockMetadata();
  metadata.setLastConfig(new common.LastConfig());
  metadata.setConsenterMetadata(consenter.serializeBinary());
  return metadata.serializeBinary();
}

function decodeOrdering(bytes: Uint8Array): Ordering {
  const consenter = read.metadata(read.ordererBlockMetadata(bytes).getConsenterMetadata_asU8());
  const text = Buffer.from(consenter.getValue_asU8()).toString();
  const end = text.indexOf('\n');
  const definition = end < text.length - 1 ? decodeDefinition(text.slice(end + 1)) : undefined;
  const ordering = { at: Number(text.slice(0, end)), ...(definition && { definition }) };
  const exact = Number.isSafeInteger(ordering.at) && Buffer.compare(encodeOrdering(ordering), bytes) === 0;
  if (!exact) throw new Error('not the ordering of a block');
  return ordering;
}

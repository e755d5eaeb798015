import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { common, peer } from '@hyperledger/fabric-protos';
import { Fields } from '../fields.ts';
import { sha256 } from './proposal.ts';
import type { BlockRecord, TransactionRecord } from './store.ts';
import { readAction, readTransaction } from './transaction.ts';
import { read } from './wire.ts';

/** Indexes of a block's metadata. */
export const { SIGNATURES, TRANSACTIONS_FILTER, COMMIT_HASH } = common.BlockMetadataIndex;
const METADATA_ENTRIES = 5;

export interface Header {
  readonly number: number;
  readonly previousHash: Uint8Array;
  readonly dataHash: Uint8Array;
}

/** The header of the block that holds these envelopes. */
export function makeHeader(number: number, previousHash: Uint8Array, envelopes: readonly Uint8Array[]): Header {
  return { number, previousHash, dataHash: sha256(...envelopes) };
}

/** SHA-256 of the header in DER, as Fabric links its blocks. */
export function headerHash(header: Header): Uint8Array {
  return sha256(headerBytes(header));
}

/** ASN.1 SEQUENCE { INTEGER number, OCTET STRING previousHash, OCTET STRING dataHash } */
export function headerBytes({ number, previousHash, dataHash }: Header): Uint8Array {
  const hex = number.toString(16);
  const even = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
  const integer = (even[0] as number) >= 0x80 ? Buffer.concat([Buffer.of(0), even]) : even;
  const body = [der(0x02, integer), der(0x04, previousHash), der(0x04, dataHash)];
  return der(0x30, Buffer.concat(body));
}

/** All that fits: a header is at most 80 bytes long. */
function der(tag: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(tag, content.length), content]);
}

/** A block's metadata: what the orderer signed and the peers' verdicts, where real Fabric has them. */
export function makeMetadata(signed: Uint8Array, codes: Uint8Array, commitHash: Uint8Array): Uint8Array {
  const entries: Uint8Array[] = Array.from({ length: METADATA_ENTRIES }, () => new Uint8Array());
  entries[SIGNATURES] = signed;
  entries[common.BlockMetadataIndex.LAST_CONFIG] = metadataOf(new common.LastConfig().serializeBinary());
  entries[TRANSACTIONS_FILTER] = codes;
  if (commitHash.length > 0) entries[COMMIT_HASH] = metadataOf(commitHash);
  const metadata = new common.BlockMetadata();
  metadata.setMetadataList(entries);
  return metadata.serializeBinary();
}

/** SHA-256 over verdicts, state changes and the previous block's, as Fabric chains it. */
export function nextCommitHash(codes: Uint8Array, updates: Uint8Array, previous: Uint8Array): Uint8Array {
  return sha256(new BinaryWriter().uint32(codes.length).finish(), codes, updates, previous);
}

export function encodeHeader({ number, previousHash, dataHash }: Header): Uint8Array {
  const header = new common.BlockHeader();
  header.setNumber(number);
  header.setPreviousHash(previousHash);
  header.setDataHash(dataHash);
  return header.serializeBinary();
}

export function decodeHeader(bytes: Uint8Array): Header {
  const header = read.blockHeader(bytes);
  return {
    number: header.getNumber(),
    previousHash: header.getPreviousHash_asU8(),
    dataHash: header.getDataHash_asU8(),
  };
}

/** `common.Block`, without its data when `transactions` is `null`. */
export function assembleBlock(block: BlockRecord, transactions: readonly TransactionRecord[] | null): Uint8Array {
  const writer = new BinaryWriter().tag(1, 2).bytes(block.header);
  if (transactions) {
    const data = new BinaryWriter();
    for (const { envelope } of transactions) data.tag(1, 2).bytes(envelope);
    writer.tag(2, 2).bytes(data.finish());
  }
  return writer.tag(3, 2).bytes(block.metadata).finish();
}

/** A `common.Block` that somebody sent, taken apart. */
export interface ReceivedBlock {
  readonly header: Header;
  readonly envelopes: readonly Uint8Array[];
  /** `common.BlockMetadata` */
  readonly metadata: Uint8Array;
}

/** @throws VerifyError PROOF_MALFORMED */
export function readBlock(bytes: Uint8Array): ReceivedBlock {
  const block = new Fields('Block', bytes, { 1: 'bytes', 2: 'bytes', 3: 'bytes' });
  const header = new Fields('BlockHeader', block.bytes(1), { 1: 'varint', 2: 'bytes', 3: 'bytes' });
  return {
    header: { number: header.integer(1), previousHash: header.bytes(2), dataHash: header.bytes(3) },
    envelopes: new Fields('BlockData', block.bytes(2), { 1: 'bytes*' }).repeated(1),
    metadata: block.bytes(3),
  };
}

/** `peer.FilteredBlock`: verdicts and events without payloads. */
export function filterBlock(
  channel: string,
  number: number,
  transactions: readonly TransactionRecord[],
): peer.FilteredBlock {
  const filtered = new peer.FilteredBlock();
  filtered.setChannelId(channel);
  filtered.setNumber(number);
  filtered.setFilteredTransactionsList(transactions.map(filterTransaction));
  return filtered;
}

function filterTransaction({ txId, code, envelope }: TransactionRecord): peer.FilteredTransaction {
  const actions = new peer.FilteredTransactionActions();
  const event = eventOf(envelope);
  if (event) {
    const named = new peer.ChaincodeEvent();
    named.setTxId(event.getTxId());
    named.setChaincodeId(event.getChaincodeId());
    named.setEventName(event.getEventName());
    const action = new peer.FilteredChaincodeAction();
    action.setChaincodeEvent(named);
    actions.setChaincodeActionsList([action]);
  }
  const filtered = new peer.FilteredTransaction();
  filtered.setTxid(txId);
  filtered.setType(common.HeaderType.ENDORSER_TRANSACTION);
  filtered.setTxValidationCode(code as peer.FilteredTransaction.AsObject['txValidationCode']);
  filtered.setTransactionActions(actions);
  return filtered;
}

/** The event of a transaction; none when an invalid transaction cannot be read. */
export function eventOf(envelope: Uint8Array): peer.ChaincodeEvent | undefined {
  try {
    return readAction(readTransaction(envelope)).event;
  } catch {
    return undefined;
  }
}

function metadataOf(value: Uint8Array): Uint8Array {
  const metadata = new common.Metadata();
  metadata.setValue(value);
  return metadata.serializeBinary();
}

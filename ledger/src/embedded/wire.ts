import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { common, gateway, ledger, orderer, peer } from '@hyperledger/fabric-protos';

/** How the fields of a message are written; a shape for a message within. */
interface Shape {
  readonly [field: number]: 'bytes' | 'varint' | Shape;
}

interface MessageType<T> {
  deserializeBinary(bytes: Uint8Array): T;
}

const PAIR: Shape = { 1: 'bytes', 2: 'bytes' };
const TRIPLE: Shape = { 1: 'bytes', 2: 'bytes', 3: 'bytes' };
const ENVELOPE = PAIR;
const SEEK_POSITION: Shape = { 1: {}, 2: {}, 3: { 1: 'varint' }, 4: {} };
const CHAINCODE_INPUT: Shape = { 1: 'bytes', 2: PAIR, 3: 'varint' };
const CHAINCODE_SPEC: Shape = { 1: 'varint', 2: TRIPLE, 3: CHAINCODE_INPUT, 4: 'varint' };
const PROPOSED: Shape = { 1: 'bytes', 2: 'bytes', 3: PAIR, 4: 'bytes' };
const READ: Shape = { 1: 'bytes', 2: { 1: 'varint', 2: 'varint' } };
const RANGE: Shape = {
  1: 'bytes',
  2: 'bytes',
  3: 'varint',
  4: { 1: READ },
  5: { 1: 'varint', 2: 'varint', 3: 'bytes' },
};

/**
 * Readers of bytes from outside. google-protobuf believes every length it is told: twenty bytes that announce a string of
 * 4 GiB keep it busy for ten seconds. So lengths and kinds of all fields are checked before it sees them.
 */
export const read = {
  evaluateRequest: reader(gateway.EvaluateRequest, PROPOSED),
  endorseResponse: reader(gateway.EndorseResponse, { 1: ENVELOPE }),
  endorseRequest: reader(gateway.EndorseRequest, PROPOSED),
  submitRequest: reader(gateway.SubmitRequest, { 1: 'bytes', 2: 'bytes', 3: ENVELOPE }),
  signedCommitStatusRequest: reader(gateway.SignedCommitStatusRequest, PAIR),
  commitStatusRequest: reader(gateway.CommitStatusRequest, TRIPLE),
  signedChaincodeEventsRequest: reader(gateway.SignedChaincodeEventsRequest, PAIR),
  chaincodeEventsRequest: reader(gateway.ChaincodeEventsRequest, { ...TRIPLE, 4: SEEK_POSITION, 5: 'bytes' }),
  seekInfo: reader(orderer.SeekInfo, { 1: SEEK_POSITION, 2: SEEK_POSITION, 3: 'varint', 4: 'varint', 5: 'varint' }),
  envelope: reader(common.Envelope, ENVELOPE),
  payload: reader(common.Payload, { 1: PAIR, 2: 'bytes' }),
  header: reader(common.Header, PAIR),
  channelHeader: reader(common.ChannelHeader, {
    1: 'varint',
    2: 'varint',
    3: { 1: 'varint', 2: 'varint' },
    4: 'bytes',
    5: 'bytes',
    6: 'varint',
    7: 'bytes',
    8: 'bytes',
  }),
  signatureHeader: reader(common.SignatureHeader, PAIR),
  proposal: reader(peer.Proposal, TRIPLE),
  chaincodeHeaderExtension: reader(peer.ChaincodeHeaderExtension, { 2: TRIPLE }),
  chaincodeProposalPayload: reader(peer.ChaincodeProposalPayload, { 1: 'bytes', 2: PAIR }),
  chaincodeInvocationSpec: reader(peer.ChaincodeInvocationSpec, { 1: CHAINCODE_SPEC }),
  transaction: reader(peer.Transaction, { 1: PAIR }),
  chaincodeActionPayload: reader(peer.ChaincodeActionPayload, { 1: 'bytes', 2: { 1: 'bytes', 2: PAIR } }),
  proposalResponsePayload: reader(peer.ProposalResponsePayload, PAIR),
  chaincodeAction: reader(peer.ChaincodeAction, {
    1: 'bytes',
    2: 'bytes',
    3: { 1: 'varint', 2: 'bytes', 3: 'bytes' },
    4: TRIPLE,
  }),
  chaincodeEvent: reader(peer.ChaincodeEvent, { ...TRIPLE, 4: 'bytes' }),
  readWriteSet: reader(ledger.rwset.TxReadWriteSet, { 1: 'varint', 2: { ...PAIR, 3: { ...TRIPLE } } }),
  keyReadWriteSet: reader(ledger.rwset.kvrwset.KVRWSet, {
    1: READ,
    2: RANGE,
    3: { 1: 'bytes', 2: 'varint', 3: 'bytes' },
    4: { 1: 'bytes', 2: PAIR },
  }),
  blockHeader: reader(common.BlockHeader, { 1: 'varint', 2: 'bytes', 3: 'bytes' }),
  blockMetadata: reader(common.BlockMetadata, { 1: 'bytes' }),
  metadata: reader(common.Metadata, { 1: 'bytes', 2: TRIPLE }),
  ordererBlockMetadata: reader(common.OrdererBlockMetadata, { 1: { 1: 'varint' }, 2: 'bytes' }),
};

/** A reader that throws on anything but a well-formed message. Fields it does not know may be there. */
function reader<T>(type: MessageType<T>, shape: Shape): (bytes: Uint8Array) => T {
  return (bytes) => {
    requireShape(bytes, shape);
    return type.deserializeBinary(bytes);
  };
}

/** @throws Error when a field reaches beyond its message, is of another kind, or is a group */
function requireShape(bytes: Uint8Array, shape: Shape): void {
  const fields = new BinaryReader(bytes);
  while (fields.pos < fields.len) {
    const [field, wire] = fields.tag();
    const kind = shape[field];
    if (wire === WireType.StartGroup || wire === WireType.EndGroup) throw new Error(`field ${field} is a group`);
    if (kind === undefined) {
      fields.skip(wire, field);
      continue;
    }
    if (wire !== (kind === 'varint' ? WireType.Varint : WireType.LengthDelimited)) {
      throw new Error(`field ${field} is of another kind`);
    }
    if (kind === 'varint') fields.uint64();
    else {
      const content = fields.bytes();
      if (kind !== 'bytes') requireShape(content, kind);
    }
  }
}

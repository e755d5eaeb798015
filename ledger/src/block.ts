import { VerifyError } from './errors.ts';
import { Fields, type Shape } from './fields.ts';

/** A transaction as a block holds it. */
export interface BlockTransaction {
  readonly block: number;
  /** The serialized `common.Envelope`. */
  readonly envelope: Uint8Array;
  /** `TxValidationCode` of the peer that served the block. */
  readonly validationCode: number;
}

/** Index of the validation codes in a block's metadata. */
const TRANSACTIONS_FILTER = 2;
const PAIR: Shape = { 1: 'bytes', 2: 'bytes' };
const CHANNEL_HEADER: Shape = {
  1: 'varint',
  2: 'varint',
  3: 'bytes',
  4: 'bytes',
  5: 'bytes',
  6: 'varint',
  7: 'bytes',
  8: 'bytes',
};

/**
 * Finds a transaction in a serialized `common.Block`. Of several with its id, the valid one: the others are replays.
 * @throws VerifyError PROOF_MALFORMED, TRANSACTION_MISMATCH
 */
export function findTransaction(bytes: Uint8Array, transactionId: string): BlockTransaction {
  const block = new Fields('Block', bytes, { 1: 'bytes', 2: 'bytes', 3: 'bytes' });
  const number = new Fields('BlockHeader', block.bytes(1), { 1: 'varint', 2: 'bytes', 3: 'bytes' }).integer(1);
  const envelopes = new Fields('BlockData', block.required(2), { 1: 'bytes*' }).repeated(1);
  const codes = new Fields('BlockMetadata', block.required(3), { 1: 'bytes*' }).repeated(1)[TRANSACTIONS_FILTER];
  const found = envelopes.flatMap((envelope, index) => {
    const code = codes?.[index];
    if (code === undefined) throw new VerifyError('PROOF_MALFORMED', 'Block lacks validation codes');
    return idOf(envelope) === transactionId ? [{ block: number, envelope, validationCode: code }] : [];
  });
  const transaction = found.find((candidate) => candidate.validationCode === 0) ?? found[0];
  if (!transaction) throw new VerifyError('TRANSACTION_MISMATCH', 'Block does not hold the transaction');
  return transaction;
}

/** `null` for an envelope that cannot be read: a stranger's, that must not hide the others of its block. */
function idOf(envelope: Uint8Array): string | null {
  try {
    const payload = new Fields('Envelope', envelope, PAIR).required(1);
    const header = new Fields('Payload', payload, PAIR).required(1);
    return new Fields('ChannelHeader', new Fields('Header', header, PAIR).required(1), CHANNEL_HEADER).text(5);
  } catch {
    return null;
  }
}

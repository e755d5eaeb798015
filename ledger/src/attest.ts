import { gateway, msp } from '@hyperledger/fabric-protos';
import { sha256 } from '@noble/hashes/sha2.js';
import { findTransaction } from './block.ts';
import { evaluate } from './call.ts';
import type { Connection } from './connect.ts';
import { toBase64url } from './encoding.ts';
import { LedgerError, ledgerError, validationCode } from './ledger-error.ts';
import { type Attestation, attestationBytes, type Statement } from './proof.ts';
import { createSigner, type Sign } from './signer.ts';

/** Signs a statement. The statement is the caller's word; `createAttester` states what its peer has committed. */
export function attest(
  statement: Statement,
  identity: { readonly mspId: string; readonly certificate: string },
  privateKey: string | Sign,
): Attestation {
  const sign = typeof privateKey === 'string' ? createSigner(privateKey) : privateKey;
  const { mspId, certificate } = identity;
  return { statement, mspId, certificate, signature: toBase64url(sign(attestationBytes(statement))) };
}

export interface AttesterOptions {
  /** To a peer of the attester's own organisation. */
  readonly connection: Connection;
  readonly mspId: string;
  readonly certificate: string;
  /** PEM. */
  readonly privateKey: string;
  /** The federation's name of the network. */
  readonly network: string;
  readonly channel: string;
  /** How long to wait for a commit. Default: 60 s. */
  readonly waitMs?: number;
}

/** An organisation's witness of its own view of a channel. */
export interface Attester {
  /**
   * Waits until the own peer has committed the transaction, and states it under a version of the trust roots in force.
   * @returns the attestation and the committed `common.Envelope`
   * @throws LedgerError, with the validation code when the transaction is not valid
   */
  attest(
    transactionId: string,
    trustRootVersion: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<{ attestation: Attestation; envelope: Uint8Array }>;
}

const WAIT_MS = 60_000;

export function createAttester(options: AttesterOptions): Attester {
  const { connection, mspId, certificate, network, channel, waitMs = WAIT_MS } = options;
  const sign = createSigner(options.privateKey);
  const creator = new msp.SerializedIdentity();
  creator.setMspid(connection.mspId);
  creator.setIdBytes(Buffer.from(connection.certificate));
  const blocks = connection.contract(channel, 'qscc');

  const committed = async (transactionId: string) => {
    const request = new gateway.CommitStatusRequest();
    request.setChannelId(channel);
    request.setTransactionId(transactionId);
    request.setIdentity(creator.serializeBinary());
    const signed = new gateway.SignedCommitStatusRequest();
    signed.setRequest(request.serializeBinary());
    try {
      return await connection.gateway.newCommit(signed.serializeBinary()).getStatus({ deadline: Date.now() + waitMs });
    } catch (error) {
      throw ledgerError(error);
    }
  };

  return {
    async attest(transactionId, trustRootVersion, { signal } = {}) {
      signal?.throwIfAborted();
      const { successful, code } = await withSignal(committed(transactionId), signal);
      if (!successful) throw invalid(code, transactionId);
      const bytes = await evaluate(blocks, 'GetBlockByTxID', [channel, transactionId]);
      signal?.throwIfAborted();
      const transaction = findTransaction(bytes, transactionId);
      if (transaction.validationCode !== 0) throw invalid(transaction.validationCode, transactionId);
      const statement: Statement = {
        network,
        channel,
        transaction: transactionId,
        block: transaction.block,
        envelopeHash: toBase64url(sha256(transaction.envelope)),
        validationCode: transaction.validationCode,
        trustRootVersion,
      };
      return { attestation: attest(statement, { mspId, certificate }, sign), envelope: transaction.envelope };
    },
  };
}

function invalid(code: number, transactionId: string): LedgerError {
  const name = validationCode(code);
  return new LedgerError(name, `Transaction is invalid: ${name}`, { stage: 'validate', transactionId });
}

/** The gateway's calls know deadlines and no signal: the caller is let go, the call ends by its deadline. */
async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

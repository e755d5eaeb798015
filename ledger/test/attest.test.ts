import { StatusCode } from '@hyperledger/fabric-gateway';
import { common, gateway, peer } from '@hyperledger/fabric-protos';
import { describe, expect, it } from 'vitest';
import { connect, createAttester, findTransaction, LedgerError } from '../src/index.ts';
import { assembleProof, VerifyError, verifyOutcome } from '../src/verify.ts';
import { draftEnvelope, type Member, NOW, TRUST, WITNESSES } from './fixture/network.ts';
import { type Script, scriptedPeer } from './fixture/peer.ts';

function block(...transactions: [envelope: Uint8Array, code: number][]): Uint8Array {
  const header = new common.BlockHeader();
  header.setNumber(12);
  header.setDataHash(Buffer.alloc(32, 1));
  const data = new common.BlockData();
  data.setDataList(transactions.map(([envelope]) => envelope));
  const metadata = new common.BlockMetadata();
  metadata.setMetadataList([
    Buffer.from('signatures'),
    Buffer.of(),
    Buffer.from(transactions.map(([, code]) => code)),
    Buffer.of(),
  ]);
  const whole = new common.Block();
  whole.setHeader(header);
  whole.setData(data);
  whole.setMetadata(metadata);
  return whole.serializeBinary();
}

function attesterOf(witness: Member, script: Script) {
  const { client, calls } = scriptedPeer(script);
  const connection = connect({ client, identity: witness, privateKey: witness.privateKey });
  const attester = createAttester({
    connection,
    ...witness,
    network: 'north',
    channel: 'records',
  });
  return { attester, calls };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    return error instanceof LedgerError || error instanceof VerifyError ? error.code : String(error);
  }
}

describe('an attester', () => {
  const { envelope, transactionId } = draftEnvelope();
  const other = draftEnvelope().envelope;

  it('states what its own peer committed, and two of them make a proof', async () => {
    const bytes = block([other, 0], [envelope, 0]);
    const results = await Promise.all(
      [WITNESSES.a, WITNESSES.b].map((witness) =>
        attesterOf(witness, { evaluate: [bytes] }).attester.attest(transactionId, 7),
      ),
    );
    const proof = assembleProof(
      envelope,
      results.map((result) => result.attestation),
    );
    expect(results[0]?.envelope).toEqual(envelope);
    expect(verifyOutcome(proof, [TRUST], { transactionId }, NOW)).toMatchObject({
      block: 12,
      attestedBy: ['AMSP', 'BMSP'],
    });
  });

  it('asks its own organisation for the block, once the transaction is committed', async () => {
    const { attester, calls } = attesterOf(WITNESSES.a, { evaluate: [block([envelope, 0])] });
    await attester.attest(transactionId, 7);
    expect(calls.map((call) => call.method)).toEqual(['CommitStatus', 'Evaluate']);
    const request = gateway.EvaluateRequest.deserializeBinary(calls[1]?.request ?? Buffer.of());
    expect(request.getTargetOrganizationsList()).toEqual(['AMSP']);
    const proposal = peer.Proposal.deserializeBinary(
      request.getProposedTransaction()?.getProposalBytes_asU8() ?? Buffer.of(),
    );
    expect(Buffer.from(proposal.getPayload_asU8()).includes(`GetBlockByTxID`)).toBe(true);
    const status = gateway.SignedCommitStatusRequest.deserializeBinary(calls[0]?.request ?? Buffer.of());
    const waited = gateway.CommitStatusRequest.deserializeBinary(status.getRequest_asU8());
    expect([waited.getChannelId(), waited.getTransactionId()]).toEqual(['records', transactionId]);
  });

  it('signs nothing about a transaction that is not valid', async () => {
    const { attester } = attesterOf(WITNESSES.a, { commit: [StatusCode.MVCC_READ_CONFLICT] });
    expect(await codeOf(attester.attest(transactionId, 7))).toBe('MVCC_READ_CONFLICT');
    const flagged = attesterOf(WITNESSES.a, { evaluate: [block([envelope, StatusCode.PHANTOM_READ_CONFLICT])] });
    expect(await codeOf(flagged.attester.attest(transactionId, 7))).toBe('PHANTOM_READ_CONFLICT');
  });

  it('signs nothing when the block holds another transaction', async () => {
    const { attester } = attesterOf(WITNESSES.a, { evaluate: [block([other, 0])] });
    expect(await codeOf(attester.attest(transactionId, 7))).toBe('TRANSACTION_MISMATCH');
  });

  it('lets its caller go when aborted', async () => {
    const { attester } = attesterOf(WITNESSES.a, { evaluate: [block([envelope, 0])] });
    const reason = new Error('enough');
    expect(await codeOf(attester.attest(transactionId, 7, { signal: AbortSignal.abort(reason) }))).toBe(
      'Error: enough',
    );
    const controller = new AbortController();
    const pending = attester.attest(transactionId, 7, { signal: controller.signal });
    controller.abort(reason);
    expect(await codeOf(pending)).toBe('Error: enough');
  });
});

describe('a block', () => {
  it('yields the valid one of several transactions with one id', () => {
    const { envelope, transactionId } = draftEnvelope();
    const bytes = block([envelope, StatusCode.DUPLICATE_TXID], [envelope, 0]);
    expect(findTransaction(bytes, transactionId)).toMatchObject({ block: 12, validationCode: 0 });
    const invalid = block([envelope, 11], [envelope, StatusCode.DUPLICATE_TXID]);
    expect(findTransaction(invalid, transactionId)).toMatchObject({ validationCode: 11 });
  });

  it('is read although a stranger put something else into it', () => {
    const { envelope, transactionId } = draftEnvelope();
    const bytes = block([Buffer.from('stranger'), 2], [envelope, 0]);
    expect(findTransaction(bytes, transactionId)).toMatchObject({ validationCode: 0, envelope });
  });

  it('is refused when it lacks validation codes or is cut short', () => {
    const { envelope, transactionId } = draftEnvelope();
    const bytes = block([envelope, 0]);
    const uncoded = common.Block.deserializeBinary(bytes);
    uncoded.getMetadata()?.setMetadataList([Buffer.of(), Buffer.of()]);
    expect(() => findTransaction(uncoded.serializeBinary(), transactionId)).toThrow(VerifyError);
    for (const length of [0, 10, bytes.length - 1]) {
      expect(() => findTransaction(bytes.subarray(0, length), transactionId)).toThrow(VerifyError);
    }
  });
});

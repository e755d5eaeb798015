import { status } from '@grpc/grpc-js';
import { StatusCode } from '@hyperledger/fabric-gateway';
import { common, gateway, peer } from '@hyperledger/fabric-protos';
import { describe, expect, it } from 'vitest';
import { connect, evaluate, LedgerError, submit } from '../src/index.ts';
import { isLowS } from '../src/signature.ts';
import { createMsp } from '../src/verify.ts';
import { authority, CLIENT, member, NOW } from './fixture/network.ts';
import { type Call, type Script, scriptedPeer } from './fixture/peer.ts';

function open(script: Script = {}) {
  const { client, calls } = scriptedPeer(script);
  const connection = connect({ client, identity: CLIENT, privateKey: CLIENT.privateKey });
  return { contract: connection.contract('records', 'region', 'Region'), calls, connection };
}

const methods = (calls: readonly Call[]) => calls.map((call) => call.method).join(' ');
const MVCC = StatusCode.MVCC_READ_CONFLICT;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    return error instanceof LedgerError ? `${error.code} ${error.stage}` : String(error);
  }
}

describe('an evaluation', () => {
  const asked = async (peerMspId?: string, organisations?: readonly string[]) => {
    const { client, calls } = scriptedPeer({});
    const connection = connect({ client, identity: CLIENT, privateKey: CLIENT.privateKey, peerMspId });
    const contract = connection.contract('records', 'region', 'Region');
    await evaluate(contract, 'get', ['r'], organisations && { organisations });
    await contract.evaluateTransaction('get', 'r');
    return calls.map(({ request }) => gateway.EvaluateRequest.deserializeBinary(request).getTargetOrganizationsList());
  };

  it('is asked of the own organisation’s peer, or of whom the connection goes to, or of those named', async () => {
    expect(await asked()).toEqual([['CMSP'], ['CMSP']]);
    expect(await asked('AMSP')).toEqual([['AMSP'], ['AMSP']]);
    expect(await asked('AMSP', ['BMSP'])).toEqual([['BMSP'], ['AMSP']]);
  });
});

describe('a submitted transaction', () => {
  it('is endorsed, ordered, and reported when committed', async () => {
    const { contract, calls } = open();
    const ordered: string[] = [];
    const onOrdered = ({ transactionId, result }: { transactionId: string; result: Uint8Array }) => {
      ordered.push(`${transactionId} ${Buffer.from(result).toString()} after ${methods(calls)}`);
    };
    const committed = await submit(contract, 'decide', ['r'], {
      onOrdered,
      transient: { key: 'k' },
      organisations: ['AMSP'],
    });
    expect(Buffer.from(committed.result).toString()).toBe('released');
    expect(committed.blockNumber).toBe(12);
    expect(ordered).toEqual([`${committed.transactionId} released after Endorse Submit`]);
    expect(methods(calls)).toBe('Endorse Submit CommitStatus');
    const request = gateway.EndorseRequest.deserializeBinary(calls[0]?.request ?? Buffer.of());
    expect(request.getEndorsingOrganizationsList()).toEqual(['AMSP']);
    const proposal = peer.Proposal.deserializeBinary(
      request.getProposedTransaction()?.getProposalBytes_asU8() ?? Buffer.of(),
    );
    const payload = peer.ChaincodeProposalPayload.deserializeBinary(proposal.getPayload_asU8());
    expect(payload.getTransientmapMap().get('key')).toEqual(new Uint8Array(Buffer.from('k')));
  });

  it('carries signatures that its certificate verifies, with low S', async () => {
    const { contract, calls } = open();
    await submit(contract, 'decide', ['r']);
    const request = gateway.SubmitRequest.deserializeBinary(calls[1]?.request ?? Buffer.of());
    const envelope = request.getPreparedTransaction() ?? new common.Envelope();
    const identity = createMsp({ mspId: 'CMSP', roots: [authority('CMSP').rootPem] }).identify(CLIENT.certificate, NOW);
    expect(isLowS(envelope.getSignature_asU8())).toBe(true);
    expect(identity.verify(envelope.getPayload_asU8(), envelope.getSignature_asU8())).toBe(true);
  });

  it('is tried anew after a conflict, as a new transaction', async () => {
    const { contract, calls } = open({ commit: [MVCC, MVCC] });
    await submit(contract, 'decide', ['r']);
    expect(methods(calls)).toBe(Array(3).fill('Endorse Submit CommitStatus').join(' '));
  });

  it('is tried anew no more often than asked', async () => {
    const { contract, calls } = open({ commit: [MVCC, MVCC, MVCC] });
    expect(await codeOf(submit(contract, 'decide', ['r'], { retries: 1 }))).toBe('MVCC_READ_CONFLICT validate');
    expect(calls).toHaveLength(6);
  });

  it('waits for peers and orderers out of reach, and hands the same envelope in again', async () => {
    const { contract, calls } = open({ endorse: [status.UNAVAILABLE, status.ABORTED], submit: [status.UNAVAILABLE] });
    expect(await codeOf(submit(contract, 'decide', ['r']))).toBe('REJECTED endorse');
    const { transactionId } = await submit(contract, 'decide', ['r']);
    expect(methods(calls)).toBe('Endorse Endorse Endorse Submit Submit CommitStatus');
    const handedIn = calls.filter(({ method }) => method === 'Submit').map(({ request }) => request);
    expect(handedIn[1]).toEqual(handedIn[0]);
    const request = gateway.SubmitRequest.deserializeBinary(handedIn[1] ?? Buffer.of());
    expect(request.getTransactionId()).toBe(transactionId);
  });

  it('is handed in again when no commit is seen in time, and committed once', async () => {
    const { contract, calls } = open({ commit: [-status.DEADLINE_EXCEEDED, -status.UNAVAILABLE] });
    const ordered: string[] = [];
    const onOrdered = ({ transactionId }: { transactionId: string }) => ordered.push(transactionId);
    const { transactionId } = await submit(contract, 'decide', ['r'], { onOrdered });
    expect(ordered).toEqual([transactionId]);
    expect(methods(calls)).toBe('Endorse Submit CommitStatus Submit CommitStatus Submit CommitStatus');
  });

  it('is submitted when orderers had it in a block before they were handed it, and not when they refuse it otherwise', async () => {
    const before = 'failed to submit request: request already processed';
    const { contract, calls } = open({ submit: [['failed to submit request: pool closed'], ['down', before]] });
    const { transactionId } = await submit(contract, 'decide', ['r']);
    expect(methods(calls)).toBe('Endorse Submit Submit CommitStatus');
    const handedIn = gateway.SubmitRequest.deserializeBinary(calls[1]?.request ?? Buffer.of());
    expect(handedIn.getTransactionId()).toBe(transactionId);
    const invalid = open({ submit: [[before]], commit: [StatusCode.ENDORSEMENT_POLICY_FAILURE] });
    expect(await codeOf(submit(invalid.contract, 'decide', ['r']))).toBe('ENDORSEMENT_POLICY_FAILURE validate');
  });

  it('is given up when it never will happen, or nobody comes back', async () => {
    const refused = open({ commit: [StatusCode.ENDORSEMENT_POLICY_FAILURE] });
    expect(await codeOf(submit(refused.contract, 'decide', ['r']))).toBe('ENDORSEMENT_POLICY_FAILURE validate');
    expect(refused.calls).toHaveLength(3);
    const gone = open({ submit: [status.UNAVAILABLE] });
    expect(await codeOf(submit(gone.contract, 'decide', ['r'], { patienceMs: 0 }))).toBe('UNAVAILABLE submit');
    expect(methods(gone.calls)).toBe('Endorse Submit');
  });

  it('stops between its steps when it is aborted', async () => {
    const { contract, calls } = open();
    const controller = new AbortController();
    const pending = submit(contract, 'decide', ['r'], { signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await codeOf(pending)).toBe('Error: enough');
    expect(methods(calls)).toBe('Endorse');
    expect(await codeOf(evaluate(contract, 'read', [], { signal: controller.signal }))).toBe('Error: enough');
  });
});

describe('a connection', () => {
  it('gives every call a deadline', async () => {
    const { contract, calls } = open({ evaluate: [Buffer.from('seen')] });
    await submit(contract, 'decide', ['r']);
    expect(Buffer.from(await evaluate(contract, 'read', ['r'])).toString()).toBe('seen');
    expect(calls.map(({ method, withinMs }) => `${method} ${Math.ceil(withinMs / 1000)}`)).toEqual([
      'Endorse 15',
      'Submit 5',
      'CommitStatus 10',
      'Evaluate 5',
    ]);
  });

  it('tells why an evaluation failed', async () => {
    const { contract } = open({ evaluate: [status.DEADLINE_EXCEEDED] });
    expect(await codeOf(evaluate(contract, 'read', [], { patienceMs: 0 }))).toBe('DEADLINE evaluate');
  });

  it('reaches another machine by TLS only', () => {
    const { certificate, mspId, privateKey } = member('AMSP', 'client');
    const to = (client: string) => connect({ client, identity: { mspId, certificate }, privateKey }).close();
    for (const address of ['127.0.0.1:1', 'localhost:1', '[::1]:1', 'unix:/tmp/none'])
      expect(() => to(address)).not.toThrow();
    for (const address of ['peer:7051', '10.0.0.1:7051', '127.0.0.1.example:1', 'localhost.example:1']) {
      expect(() => to(address)).toThrow('TLS');
    }
  });
});

import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  CommitError,
  CommitStatusError,
  EndorseError,
  type ErrorDetail,
  GatewayError,
  StatusCode,
} from '@hyperledger/fabric-gateway';
import { describe, expect, it } from 'vitest';
import { LedgerError, ledgerError, remedy } from '../src/index.ts';

const TX = 'ab'.repeat(32);

function properties(code: number, ...messages: string[]) {
  const cause: ServiceError = Object.assign(new Error('grpc'), { code, details: '', metadata: new Metadata() });
  const details = messages.map((message): ErrorDetail => ({ address: 'peer:7051', mspId: 'AMSP', message }));
  return { code, details, cause, message: `${code} failed`, transactionId: TX };
}

/** fabric-gateway exports `SubmitError` as a type only. */
function submitError(code: number, ...messages: string[]): GatewayError {
  return Object.assign(new GatewayError(properties(code, ...messages)), { name: 'SubmitError', transactionId: TX });
}

function told(error: unknown): Record<string, unknown> {
  const failure = ledgerError(error);
  if (!(failure instanceof LedgerError)) throw new Error('not told', { cause: failure });
  const { code, stage, transactionId, contractCode, message } = failure;
  return { code, stage, transactionId, contractCode, message, remedy: remedy(error) };
}

describe('an error of the gateway', () => {
  it('tells the code with which a contract refused', () => {
    const error = new EndorseError(properties(status.ABORTED, 'chaincode response 500, GRANT_UNKNOWN: no such grant'));
    expect(told(error)).toEqual({
      code: 'CONTRACT',
      stage: 'endorse',
      transactionId: TX,
      contractCode: 'GRANT_UNKNOWN',
      message: 'GRANT_UNKNOWN: no such grant',
      remedy: undefined,
    });
    expect(ledgerError(error)).toMatchObject({ cause: error });
  });

  it('tells it when only some endorsers give a code, and when there is none', () => {
    const some = properties(
      status.ABORTED,
      'peer is down',
      'chaincode response 500, odd',
      'chaincode response 500, CLOCK_SKEW: late',
    );
    expect(told(new EndorseError(some))).toMatchObject({ code: 'CONTRACT', contractCode: 'CLOCK_SKEW' });
    const none = new GatewayError(properties(status.UNKNOWN, 'chaincode response 500, Expected 2 parameters'));
    expect(told(none)).toMatchObject({
      code: 'CONTRACT',
      contractCode: undefined,
      stage: 'evaluate',
      message: 'Expected 2 parameters',
    });
  });

  it('names the reason a committed transaction is invalid', () => {
    for (const code of [
      'MVCC_READ_CONFLICT',
      'PHANTOM_READ_CONFLICT',
      'ENDORSEMENT_POLICY_FAILURE',
      'DUPLICATE_TXID',
    ] as const) {
      const error = new CommitError({ code: StatusCode[code], transactionId: TX });
      expect(told(error)).toMatchObject({
        code,
        stage: 'validate',
        transactionId: TX,
        remedy: code.endsWith('CONFLICT') ? 'anew' : undefined,
      });
    }
  });

  it('tells disagreeing endorsers apart from a refusing contract', () => {
    const error = new EndorseError(properties(status.ABORTED, 'ProposalResponsePayloads do not match'));
    expect(told(error)).toMatchObject({ code: 'ENDORSEMENT_MISMATCH', remedy: 'anew' });
  });

  it.each([
    [status.UNAVAILABLE, 'UNAVAILABLE'],
    [status.DEADLINE_EXCEEDED, 'DEADLINE'],
    [status.CANCELLED, 'DEADLINE'],
    [status.RESOURCE_EXHAUSTED, 'OVERLOADED'],
  ])('%d has had no effect before the orderer; after it the same envelope may be handed in again', (code, name) => {
    expect(told(new EndorseError(properties(code)))).toMatchObject({ code: name, stage: 'endorse', remedy: 'later' });
    expect(told(new GatewayError(properties(code)))).toMatchObject({ code: name, stage: 'evaluate', remedy: 'later' });
    expect(told(submitError(code))).toMatchObject({ code: name, stage: 'submit', transactionId: TX, remedy: 'same' });
    const commit = new CommitStatusError(properties(code));
    expect(told(commit)).toMatchObject({ code: name, stage: 'commit', remedy: 'same' });
  });

  it.each([
    'error in simulation: failed to execute transaction ab: could not launch chaincode records_1: connection failed',
    'error in simulation: failed to execute transaction ab: error sending: chaincode stream terminated',
  ])('is of somebody out of reach when a peer has no contract server', (message) => {
    const error = new EndorseError(properties(status.ABORTED, message));
    expect(told(error)).toMatchObject({ code: 'UNAVAILABLE', stage: 'endorse', remedy: 'later' });
  });

  it('is of somebody out of reach when a peer sees too few others to endorse', () => {
    const message = 'no combination of peers can be derived which satisfy the endorsement policy';
    const error = new EndorseError(properties(status.FAILED_PRECONDITION, message));
    expect(told(error)).toMatchObject({ code: 'UNAVAILABLE', stage: 'endorse', remedy: 'later' });
  });

  it('is of somebody out of reach when an orderer has not opened the channel yet', () => {
    const message = 'received unsuccessful response from orderer: status=BAD_REQUEST, info=channel does not exist';
    const error = submitError(status.ABORTED, message);
    expect(told(error)).toMatchObject({ code: 'UNAVAILABLE', stage: 'submit', remedy: 'same' });
  });

  it.each([
    [status.PERMISSION_DENIED, 'FORBIDDEN'],
    [status.UNAUTHENTICATED, 'FORBIDDEN'],
    [status.ABORTED, 'REJECTED'],
    [status.INVALID_ARGUMENT, 'REJECTED'],
  ])('%d is final', (code, name) => {
    expect(told(new EndorseError(properties(code, 'error validating proposal')))).toMatchObject({
      code: name,
      remedy: undefined,
    });
  });

  it('is left alone when it is no error of the gateway', () => {
    const error = new TypeError('x');
    expect(ledgerError(error)).toBe(error);
    expect(ledgerError('text')).toBe('text');
    expect(remedy(error)).toBeUndefined();
    const own = ledgerError(new EndorseError(properties(status.UNAVAILABLE)));
    expect(ledgerError(own)).toBe(own);
    expect(remedy(own)).toBe('later');
  });
});

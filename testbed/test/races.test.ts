import type { Connection } from '@yilian/ledger';
import { documentId, type Outcome, Request } from '@yilian/protocol';
import { CHAINCODE } from '@yilian/regional-chain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOf, HOME, MVCC_READ_CONFLICT, ordered, payload, refusal, Stage, VALID } from './stage.ts';

const LANES = 5;
const ROUNDS = 10;
const DECISIONS = 10;
let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** What the ledger says happened, in its order: the contract's events of valid transactions. */
async function happened(connection: Connection, until: number): Promise<string[]> {
  const events = await connection.network(HOME).getChaincodeEvents(CHAINCODE, { startBlock: 0n });
  const seen: string[] = [];
  try {
    let left = until;
    for await (const { eventName, payload } of events) {
      const id = new TextDecoder().decode(payload);
      seen.push(`${eventName} ${id}`);
      left -= 1;
      if (left === 0) break;
    }
  } finally {
    events.close();
  }
  return seen;
}

test('of five hundred races between a revocation and a decision, none ends released after revoked', async () => {
  const patient = await stage.patient();
  await stage.publish(patient);
  const height = await stage.mainHeight();
  const races: { grantId: string; requestId: string; code: number }[] = [];
  const lane = async (number: number): Promise<void> => {
    const doctor = await stage.doctor();
    for (let round = 0; round < ROUNDS; round += 1) {
      const grantId = await stage.grant(patient, doctor, { threshold: 1 }, 1);
      const requests = Array.from({ length: DECISIONS }, () => stage.request(doctor, patient));
      const signed = stage.revocation(patient, grantId);
      const revocation = await stage.endorsed(HOME, 'HospitalA1', 'relay', 'Grants:revoke', [signed]);
      const decisions = await Promise.all(
        requests.map((request) =>
          stage.endorsed(HOME, 'HospitalA2', 'relay', 'Requests:decide', [request, doctor.keyCertificate, height, []]),
        ),
      );
      // The revocation is ordered first, last, and everywhere between.
      const all = decisions.toSpliced((number + round) % (DECISIONS + 1), 0, revocation);
      const codes = await ordered(all);
      const [revoked] = codes.splice(all.indexOf(revocation), 1);
      expect(revoked).toBe(VALID);
      for (const [index, request] of requests.entries())
        races.push({ grantId, requestId: documentId(Request.type, request.document), code: codes[index] ?? -1 });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  expect(races).toHaveLength(LANES * ROUNDS * DECISIONS);
  const released = races.filter(({ code }) => code === VALID);
  const refused = races.filter(({ code }) => code === MVCC_READ_CONFLICT);
  expect(released.length + refused.length).toBe(races.length);
  expect(released.length).toBeGreaterThan(100);
  expect(refused.length).toBeGreaterThan(100);
  const auditor = stage.testbed.connection(HOME, stage.testbed.member('AuditorA', 'relay'));
  const order = await happened(auditor, LANES * ROUNDS + released.length);
  const place = new Map(order.map((what, index) => [what, index]));
  for (const { grantId, requestId } of released) {
    const decided = place.get(`outcome ${requestId}`) ?? expect.fail('the ledger lacks a release');
    expect(decided).toBeLessThan(place.get(`revoked ${grantId}`) ?? -1);
  }
  for (const { requestId } of refused) expect(place.has(`outcome ${requestId}`)).toBe(false);
}, 60_000);

test('one request that many relays bring at once is decided once', async () => {
  const doctor = await stage.doctor();
  const patient = await stage.patient();
  await stage.publish(patient);
  await stage.grant(patient, doctor);
  const height = await stage.mainHeight();
  for (let round = 0; round < 10; round += 1) {
    const request = stage.request(doctor, patient);
    const attempts = ['CommissionA', 'HospitalA1', 'HospitalA2'].map((mspId) =>
      stage.testbed.region(HOME, mspId, 'relay').decide(request, doctor.keyCertificate, height),
    );
    const settled = await Promise.allSettled(attempts);
    const won = settled.filter((result) => result.status === 'fulfilled');
    expect(won).toHaveLength(1);
    const codes = settled.flatMap((result) => (result.status === 'rejected' ? [codeOf(result.reason)] : []));
    expect(codes).toEqual(['DECIDED', 'DECIDED']);
    const { transactionId } = await stage.relay().outcome(documentId(Request.type, request.document));
    expect(won[0]?.value.transactionId).toBe(transactionId);
  }
});

describe('a rotation of the scope key and a decision', () => {
  const people = async () => {
    const [patient, doctor] = [await stage.patient(), await stage.doctor()];
    await stage.publish(patient);
    await stage.grant(patient, doctor);
    return { patient, doctor, request: stage.request(doctor, patient), height: await stage.mainHeight() };
  };
  const verdict = ({ outcome, scopes }: Outcome) =>
    [outcome, ...scopes.flatMap((scope) => (scope.permitted ? [] : [scope.reason]))].join(' ');

  test.each([
    ['first', [VALID, MVCC_READ_CONFLICT]],
    ['last', [VALID, VALID]],
  ])('that know nothing of each other: the rotation ordered %s', async (order, codes) => {
    const { patient, doctor, request, height } = await people();
    const scopeKey = stage.scopeKey(patient, { epoch: 2 });
    const rotation = await stage.endorsed(HOME, 'HospitalA1', 'hospital', 'Patients:bind', [scopeKey]);
    const args = [request, doctor.keyCertificate, height, []];
    const decision = await stage.endorsed(HOME, 'CommissionA', 'relay', 'Requests:decide', args);
    expect(await ordered(order === 'first' ? [rotation, decision] : [decision, rotation])).toEqual(codes);
    const requestId = documentId(Request.type, request.document);
    if (order === 'first') {
      expect(await refusal(stage.relay().outcome(requestId))).toBe('OUTCOME_UNKNOWN');
      const { outcome } = await stage.decide(doctor, request);
      expect(verdict(outcome)).toBe('denied EPOCH');
    } else {
      const { outcome } = await stage.relay().outcome(requestId);
      expect(verdict(outcome)).toBe('released');
    }
  });

  test('never pass each other, whoever comes first', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { patient, doctor, request, height } = await people();
      const [bound, decided] = await Promise.all([
        stage.hospital().bind(stage.scopeKey(patient, { epoch: 2 })),
        stage.relay().decide(request, doctor.keyCertificate, height),
      ]);
      const places = await stage.places(HOME);
      const [rotation, decision] = [bound, decided].map(({ transactionId }) => places.get(transactionId) ?? -1);
      const passed = (decision ?? -1) < (rotation ?? -1);
      expect(verdict(payload(decided))).toBe(passed ? 'released' : 'denied EPOCH');
    }
  });
});

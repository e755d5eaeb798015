import type { Connection } from '@yilian/ledger';
import { canonicalJson, documentId, parseOutcome, Request } from '@yilian/protocol';
import { CHAINCODE } from '@yilian/regional-chain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codeOf, HOME, Stage } from './stage.ts';

/** Fabric's TxValidationCode. */
const VALID = 0;
const MVCC_READ_CONFLICT = 11;
const LANES = 5;
const ROUNDS = 20;
const DECISIONS = 5;
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

/** Endorsed now, to be ordered when the race says so. */
async function endorsed(mspId: string, name: string, args: readonly unknown[]) {
  const connection = stage.testbed.connection(HOME, stage.testbed.member(mspId, 'relay'));
  const texts = args.map((value) => (typeof value === 'string' ? value : canonicalJson(value)));
  return connection.contract(HOME, CHAINCODE).newProposal(name, { arguments: texts }).endorse();
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
      const revocation = await endorsed('HospitalA1', 'Grants:revoke', [stage.revocation(patient, grantId)]);
      const decisions = await Promise.all(
        requests.map((request) =>
          endorsed('HospitalA2', 'Requests:decide', [request, doctor.keyCertificate, height, '[]']),
        ),
      );
      // The revocation is ordered first, last, and everywhere between.
      const all = decisions.toSpliced((number + round) % (DECISIONS + 1), 0, revocation);
      const ordered = [];
      for (const transaction of all) ordered.push(await transaction.submit());
      const statuses = await Promise.all(ordered.map((transaction) => transaction.getStatus()));
      const codes: number[] = statuses.map(({ code }) => code);
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

test('a rotation of the scope key and a decision never pass each other', async () => {
  for (let round = 0; round < 10; round += 1) {
    const patient = await stage.patient();
    await stage.publish(patient);
    const doctor = await stage.doctor();
    await stage.grant(patient, doctor);
    const height = await stage.mainHeight();
    const [bound, decided] = await Promise.all([
      stage.hospital().bind(stage.scopeKey(patient, { epoch: 2 })),
      stage.relay().decide(stage.request(doctor, patient), doctor.keyCertificate, height),
    ]);
    const { outcome } = parseOutcome(JSON.parse(new TextDecoder().decode(decided.result)));
    if (outcome === 'released') expect(decided.blockNumber).toBeLessThanOrEqual(bound.blockNumber);
    else expect(decided.blockNumber).toBeGreaterThan(bound.blockNumber - 1);
  }
});

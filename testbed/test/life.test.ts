import { documentId, Request } from '@yilian/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ELSEWHERE, HOME, payload, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
});
afterAll(() => stage[Symbol.asyncDispose]());

test('a record published in region A is released to a doctor of region B, until the grant is revoked', async () => {
  const { testbed } = stage;
  const patient = await stage.patient();
  const recordId = await stage.publish(patient);
  const announced = await stage.relay().announce(patient.pseudonym);
  await testbed.main().addToIndex(await testbed.prove(HOME, announced));
  expect(await testbed.main().lookup(patient.pseudonym)).toEqual([HOME]);

  const doctor = await stage.doctor();
  const grantId = await stage.grant(patient, doctor);
  const request = stage.request(doctor, patient);
  await stage.relay(ELSEWHERE).ask(request, [HOME]);
  const decided = await stage.relay().decide(request, doctor.keyCertificate, undefined);
  const outcome = payload(decided);
  expect(outcome).toMatchObject({ outcome: 'released', requestId: documentId(Request.type, request.document) });
  expect(outcome.release).toMatchObject({
    patientKey: patient.signingKey,
    receivingKey: doctor.keyCertificate.document.key,
    records: [{ recordId, scope: 'laboratory' }],
  });
  await stage.relay(ELSEWHERE).mirrorOutcomes([await testbed.prove(HOME, decided)]);
  expect(await stage.relay(ELSEWHERE).pending()).toEqual([]);
  await stage.relay().opened([stage.receipt(doctor, outcome, decided)]);
  const [access] = await stage.relay().accesses(stage.accessQuery(patient));
  expect(access).toMatchObject({ requestId: outcome.requestId, transactionId: decided.transactionId });
  expect(access?.openedAt).toBeGreaterThanOrEqual(outcome.decidedAt - 1000);

  await stage.relay().revoke(stage.revocation(patient, grantId));
  const second = await stage.relay().decide(stage.request(doctor, patient), doctor.keyCertificate, undefined);
  expect(payload(second)).toMatchObject({ outcome: 'denied', scopes: [{ permitted: false, reason: 'REVOKED' }] });
  for (const network of ['main', HOME, ELSEWHERE]) await testbed.node(network).verifyChain();
});

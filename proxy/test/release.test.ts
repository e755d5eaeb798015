import { CapsuleFrag, CFRAG_BYTES, headerCapsule, openHeader, openSealed, PublicKey } from '@yilian/pre';
import { cfragContext, fromBase64url } from '@yilian/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ReleaseReply } from '../src/api.ts';
import type { BuiltProxy } from '../src/index.ts';
import { PROXIES, TestFederation } from './federation.ts';

let federation: TestFederation;
const proxies = new Map<string, BuiltProxy>();
beforeAll(async () => {
  federation = await TestFederation.open();
  for (const mspId of PROXIES) proxies.set(mspId, await federation.proxy(mspId));
});
afterAll(() => federation[Symbol.asyncDispose]());

test('two proxies’ shares of a released record open its header', async () => {
  const patient = await federation.patient();
  const doctor = await federation.doctor();
  const record = await federation.publish(patient);
  const grant = await federation.grant(patient, doctor);
  for (const [mspId, proxy] of proxies) {
    expect(await federation.deliver(proxy, mspId, grant)).toMatchObject({ status: 200, body: { acknowledged: true } });
  }
  const { order, outcome } = await federation.decide(grant);
  expect(outcome.outcome).toBe('released');

  const capsule = headerCapsule(fromBase64url(record.header));
  const delegatingKey = patient.keys.scopeKey({ region: 'region-a', scope: 'laboratory', epoch: 1 }).publicKey();
  const cfrags = await Promise.all(
    PROXIES.slice(0, 2).map(async (mspId) => {
      const { status, body } = await federation.order(proxies.get(mspId)!, mspId, '/v1/releases', 'release', order);
      expect(status).toBe(200);
      const { share } = body as unknown as ReleaseReply;
      const context = cfragContext(federation.testbed.federation, order.requestId, order.transactionId, mspId);
      const plaintext = openSealed(doctor.secret, fromBase64url(share.sealed), context);
      expect(plaintext.length).toBe(CFRAG_BYTES);
      return CapsuleFrag.fromBytes(plaintext).verify(capsule, {
        verifyingKey: patient.signer.verifyingKey(),
        delegatingKey,
        receivingKey: PublicKey.fromBase64url(outcome.release!.receivingKey),
      });
    }),
  );
  const opened = openHeader({
    receivingKey: doctor.secret,
    delegatingKey,
    header: fromBase64url(record.header),
    context: record.context,
    cfrags,
  });
  expect(opened.key).toEqual(record.secret.key);
});

import { CapsuleFrag, CFRAG_BYTES, headerCapsule, openHeader, openSealed, PublicKey, SecretKey } from '@yilian/pre';
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

test('a further page of a release has a share of its own', async () => {
  const patient = await federation.patient();
  const doctor = await federation.doctor();
  for (let count = 0; count < 20; count += 1)
    await Promise.all(Array.from({ length: count === 0 ? 11 : 10 }, () => federation.publish(patient)));
  const grant = await federation.grant(patient, doctor);
  for (const [mspId, proxy] of proxies) await federation.deliver(proxy, mspId, grant);
  const { order, outcome } = await federation.decide(grant);
  expect([outcome.release!.records.length, typeof outcome.release!.next]).toEqual([200, 'string']);
  const page = await federation.chain.page(order.requestId, 1, undefined);
  const [mspId] = PROXIES;
  const paged = { requestId: order.requestId, transactionId: page.transactionId };
  const { body } = await federation.order(proxies.get(mspId)!, mspId, '/v1/releases', 'release', paged);
  const { share, attestation } = body as unknown as ReleaseReply;
  expect(attestation.statement.transaction).toBe(page.transactionId);
  const context = cfragContext(federation.testbed.federation, order.requestId, page.transactionId, mspId);
  expect(openSealed(doctor.secret, fromBase64url(share.sealed), context).length).toBe(CFRAG_BYTES);
});

test('whoever the share is not for cannot open it, nor under another transaction or organisation', async () => {
  const patient = await federation.patient();
  const doctor = await federation.doctor();
  await federation.publish(patient);
  const grant = await federation.grant(patient, doctor);
  for (const [mspId, proxy] of proxies) await federation.deliver(proxy, mspId, grant);
  const { order } = await federation.decide(grant);
  const [mspId, other] = PROXIES;
  const { body } = await federation.order(proxies.get(mspId)!, mspId, '/v1/releases', 'release', order);
  const sealed = fromBase64url((body as unknown as ReleaseReply).share.sealed);
  const { federation: name } = federation.testbed;
  const { requestId, transactionId } = order;
  const context = cfragContext(name, requestId, transactionId, mspId);
  expect(openSealed(doctor.secret, sealed, context).length).toBe(CFRAG_BYTES);
  expect(() => openSealed(SecretKey.random(), sealed, context)).toThrow(
    expect.objectContaining({ code: 'SEALED_INVALID' }),
  );
  for (const wrong of [
    cfragContext(name, requestId, transactionId, other),
    cfragContext(name, requestId, '0'.repeat(64), mspId),
    cfragContext(name, transactionId, transactionId, mspId),
  ])
    expect(() => openSealed(doctor.secret, sealed, wrong)).toThrow(expect.objectContaining({ code: 'SEALED_INVALID' }));
});

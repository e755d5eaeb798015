import { CapsuleFrag, CFRAG_BYTES, headerCapsule, openHeader, openSealed, PublicKey, SecretKey } from '@yilian/pre';
import { cfragContext, fromBase64url } from '@yilian/protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ReleaseReply } from '../src/api.ts';
import { Fragments } from '../src/fragments.ts';
import type { BuiltProxy } from '../src/index.ts';
import { HOME, PROXIES, TestFederation } from './federation.ts';

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

test('the share of several scopes has for each record, in the release’s order, a fragment of its own scope', async () => {
  const names = ['laboratory', 'imaging'];
  const patient = await federation.patient(names);
  const doctor = await federation.doctor();
  const headers = new Map<string, string>();
  for (let count = 0; count < 15; count += 1) {
    const { recordId, header } = await federation.publish(patient, names[count % 2]);
    headers.set(recordId, header);
  }
  const grant = await federation.grant(patient, doctor, { scopes: names.map((scope) => ({ scope, epoch: 1 })) });
  for (const [mspId, proxy] of proxies) await federation.deliver(proxy, mspId, grant);
  const { order, outcome } = await federation.decide(grant, { scopes: names });
  const { records, receivingKey } = outcome.release!;
  expect(records.map(({ scope }) => scope).sort()).toEqual([
    ...Array.from({ length: 7 }, () => 'imaging'),
    ...Array.from({ length: 8 }, () => 'laboratory'),
  ]);

  const [mspId] = PROXIES;
  const { body } = await federation.order(proxies.get(mspId)!, mspId, '/v1/releases', 'release', order);
  const context = cfragContext(federation.testbed.federation, order.requestId, order.transactionId, mspId);
  const plaintext = openSealed(doctor.secret, fromBase64url((body as unknown as ReleaseReply).share.sealed), context);
  const cfrags = records.map(({ recordId, scope }, at) =>
    CapsuleFrag.fromBytes(plaintext.subarray(at * CFRAG_BYTES, (at + 1) * CFRAG_BYTES)).verify(
      headerCapsule(fromBase64url(headers.get(recordId)!)),
      {
        verifyingKey: patient.signer.verifyingKey(),
        delegatingKey: patient.keys.scopeKey({ region: HOME, scope, epoch: 1 }).publicKey(),
        receivingKey: PublicKey.fromBase64url(receivingKey),
      },
    ),
  );
  expect(cfrags.length * CFRAG_BYTES).toBe(plaintext.length);
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

test('a release nobody waits for any more ends between a few records and the next, and can be ordered again', async () => {
  const RECORDS = 72;
  const TOGETHER = 6;
  const [mspId] = PROXIES;
  const proxy = proxies.get(mspId)!;
  const patient = await federation.patient();
  for (let count = 0; count < RECORDS; count += 1) await federation.publish(patient);
  const grant = await federation.grant(patient, await federation.doctor());
  for (const [holder, each] of proxies) await federation.deliver(each, holder, grant);
  const { order } = await federation.decide(grant);
  const url = await proxy.app.listen({ host: '127.0.0.1', port: 0 });
  const leaving = new AbortController();
  const records = vi.spyOn(Fragments.prototype, 'use');
  try {
    const asked = fetch(`${url}/v1/releases`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(federation.envelope(`${HOME}/${mspId}`, 'release', order)),
      signal: leaving.signal,
    });
    const gone = expect(asked).rejects.toThrow(/abort/);
    await expect.poll(() => records.mock.calls.length, { interval: 1 }).toBeGreaterThan(0);
    leaving.abort();
    await gone;
    await expect.poll(async () => (await proxy.app.inject('/metrics')).payload).toMatch(/code="ABANDONED"} 1/);
    expect((await federation.order(proxy, mspId, '/v1/releases', 'release', order)).status).toBe(200);
    // Whatever was under way when this one was ordered has had its turns too.
    expect(records.mock.calls.length).toBeLessThan((1.5 * RECORDS) / TOGETHER);
  } finally {
    records.mockRestore();
  }
});

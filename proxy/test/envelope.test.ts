import { Envelope, signDocument } from '@yilian/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { ELSEWHERE, HOME, TestFederation } from './federation.ts';

const OWN = 'CommissionA';
const TO = `${HOME}/${OWN}`;
let federation: TestFederation;
let proxy: BuiltProxy;
let order: { transactionId: string };
beforeAll(async () => {
  federation = await TestFederation.open();
  proxy = await federation.proxy(OWN);
  const patient = await federation.patient();
  const grant = await federation.grant(patient, await federation.doctor());
  order = { transactionId: (await federation.decide(grant)).order.transactionId };
});
afterAll(() => federation[Symbol.asyncDispose]());

const attest = (envelope: unknown) => federation.post(proxy, '/v1/attestations', envelope);
const refused = (status: number, code: string) => ({ status, body: { code } });

test('a transaction is attested for a relay of the own region', async () => {
  const reply = await attest(federation.envelope(TO, 'attest', order));
  expect(reply).toMatchObject({ status: 200, body: { attestation: { mspId: OWN, statement: { validationCode: 0 } } } });
});

test('an envelope counts once, also after a restart', async () => {
  const envelope = federation.envelope(TO, 'attest', order);
  expect((await attest(envelope)).status).toBe(200);
  expect(await attest(envelope)).toMatchObject(refused(409, 'ENVELOPE_REPLAYED'));
  await federation.close(proxy);
  proxy = await federation.proxy(OWN);
  expect(await attest(envelope)).toMatchObject(refused(409, 'ENVELOPE_REPLAYED'));
});

test('an envelope far behind the others of its relay is refused', async () => {
  expect((await attest(federation.envelope(TO, 'attest', order))).status).toBe(200);
  const old = federation.envelope(TO, 'attest', order, { sequence: 5 });
  expect(await attest(old)).toMatchObject(refused(409, 'ENVELOPE_REPLAYED'));
});

test('an envelope for another, of another kind, of another federation or outside its time is refused', async () => {
  const now = Date.now();
  const wrong = [
    [federation.envelope(`${HOME}/HospitalA1`, 'attest', order), 403, 'ENVELOPE_MISDIRECTED'],
    [federation.envelope(HOME, 'attest', order), 403, 'ENVELOPE_MISDIRECTED'],
    [federation.envelope(TO, 'attest', order, { federation: 'another' }), 403, 'ENVELOPE_MISDIRECTED'],
    [federation.envelope(TO, 'release', order), 400, 'KIND_UNKNOWN'],
    [
      federation.envelope(TO, 'attest', order, { issuedAt: now - 90_000, expiresAt: now - 60_000 }),
      403,
      'ENVELOPE_EXPIRED',
    ],
    [federation.envelope(TO, 'attest', order, { issuedAt: now, expiresAt: now + 120_000 }), 403, 'ENVELOPE_EXPIRED'],
    [federation.envelope(TO, 'attest', { ...order, more: 1 }), 400, 'DOCUMENT_MALFORMED'],
  ] as const;
  for (const [envelope, status, code] of wrong) expect(await attest(envelope)).toMatchObject(refused(status, code));
});

test('an altered envelope is refused', async () => {
  const envelope = federation.envelope(TO, 'attest', order);
  const altered = { ...envelope, document: { ...envelope.document, expiresAt: envelope.document.expiresAt + 1 } };
  expect(await attest(altered)).toMatchObject(refused(401, 'SIGNATURE_INVALID'));
});

test('an envelope of a foreign relay, an unregistered one or another role is refused', async () => {
  const { testbed } = federation;
  const foreign = federation.envelope(TO, 'attest', order, { from: ELSEWHERE }, federation.relay(ELSEWHERE));
  expect(await attest(foreign)).toMatchObject(refused(403, 'REGION_FOREIGN'));
  for (const member of [
    federation.relay(ELSEWHERE),
    testbed.member('CommissionA', 'relay', 'second relay'),
    testbed.member('HospitalA1', 'proxy'),
  ]) {
    expect(await attest(federation.envelope(TO, 'attest', order, {}, member))).toMatchObject(
      refused(403, 'RELAY_UNTRUSTED'),
    );
  }
  const { document } = federation.envelope(TO, 'attest', order);
  const twice = signDocument(Envelope, document, [federation.relay(HOME), testbed.member('HospitalA1', 'proxy')]);
  expect(await attest(twice)).toMatchObject(refused(403, 'RELAY_UNTRUSTED'));
});

test('no bytes make the proxy fail: every refusal is a 4xx with a code', async () => {
  const good = federation.envelope(TO, 'attest', order);
  const paths = ['/v1/kfrags', '/v1/revocations', '/v1/releases', '/v1/attestations', '/v1/checkpoints'];
  const mutated = fc
    .tuple(fc.constantFrom('type', 'document', 'signatures'), fc.jsonValue())
    .map(([member, value]) => ({ ...good, [member]: value }));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), fc.oneof(fc.jsonValue(), mutated), async (path, body) => {
      const reply = await federation.post(proxy, path, body);
      expect(reply.status).toBeGreaterThanOrEqual(400);
      expect(reply.status).toBeLessThan(500);
      expect(Object.keys(reply.body).toSorted()).toEqual(['code', 'message']);
    }),
    { numRuns: 300 },
  );
});

test('bytes that are no JSON, too many, or of another type are refused', async () => {
  const send = async (payload: string, type: string) => {
    const headers = { 'content-type': type };
    const response = await proxy.app.inject({ method: 'POST', url: '/v1/kfrags', headers, payload });
    return { status: response.statusCode, body: response.json<{ code: string }>() };
  };
  expect(await send('{"a"', 'application/json')).toMatchObject(refused(400, 'MALFORMED'));
  expect(await send('{"__proto__":{"a":1}}', 'application/json')).toMatchObject(refused(400, 'MALFORMED'));
  expect(await send(' '.repeat(200_000), 'application/json')).toMatchObject(refused(413, 'TOO_LARGE'));
  expect(await send('a', 'application/xml')).toMatchObject(refused(415, 'UNSUPPORTED_MEDIA_TYPE'));
  expect(await send('{}', 'application/json')).toMatchObject(refused(400, 'DOCUMENT_MALFORMED'));
});

test('a frozen region’s relay is refused', async () => {
  const { testbed } = federation;
  const { entry } = await federation.chain.mirrorOf(HOME);
  await testbed.register({ ...entry, version: entry.version + 1, frozen: true });
  await expect
    .poll(() => attest(federation.envelope(TO, 'attest', order)), { timeout: 5_000 })
    .toMatchObject(refused(403, 'REGION_FROZEN'));
});

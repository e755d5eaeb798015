import { createSigner } from '@yilian/ledger';
import { Envelope, ROLE_ATTRIBUTE, signDocument } from '@yilian/protocol';
import type { Member } from '@yilian/testbed';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { ELSEWHERE, HOME, TestFederation } from './federation.ts';

const OWN = 'CommissionA';
const TO = `${HOME}/${OWN}`;
const HOUR_MS = 3_600_000;
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

test('an envelope of a relay whose certificate is over, has not begun or was revoked is refused', async () => {
  const { testbed } = federation;
  const authority = testbed.authority('CommissionA');
  const issue = (commonName: string, notBefore: number, notAfter: number): Member => {
    const attributes = { [ROLE_ATTRIBUTE]: 'relay' };
    const credential = authority.issue({ commonName, role: 'client', attributes, notBefore, notAfter });
    return { mspId: 'CommissionA', ...credential, sign: createSigner(credential.privateKey) };
  };
  const now = Date.now();
  const [sound, over, early, revoked] = [
    issue('sound', now - HOUR_MS, now + HOUR_MS),
    issue('over', now - HOUR_MS, now - 1_000),
    issue('early', now + HOUR_MS, now + 2 * HOUR_MS),
    issue('revoked', now - HOUR_MS, now + HOUR_MS),
  ] as const;
  authority.revoke(revoked.certificate);
  const { entry } = await federation.chain.mirrorOf(HOME);
  const relays = [federation.relay(HOME), sound, over, early, revoked];
  await testbed.register({
    ...entry,
    version: entry.version + 1,
    relays: relays.map(({ certificate }) => ({ url: 'http://127.0.0.1:1', certificate })),
    trusts: entry.trusts.map((trust) => ({
      ...trust,
      organisations: trust.organisations.map((organisation) =>
        organisation.mspId === 'CommissionA' ? { ...organisation, crls: [authority.crl()] } : organisation,
      ),
    })),
  });
  const by = (member: Member) => attest(federation.envelope(TO, 'attest', order, {}, member));
  await expect.poll(() => by(sound), { timeout: 5_000 }).toMatchObject({ status: 200 });
  for (const member of [over, early, revoked]) expect(await by(member)).toMatchObject(refused(403, 'SIGNER_UNTRUSTED'));
});

test('a frozen region’s relay is refused', async () => {
  const { testbed } = federation;
  const { entry } = await federation.chain.mirrorOf(HOME);
  await testbed.register({ ...entry, version: entry.version + 1, frozen: true });
  await expect
    .poll(() => attest(federation.envelope(TO, 'attest', order)), { timeout: 5_000 })
    .toMatchObject(refused(403, 'REGION_FROZEN'));
});

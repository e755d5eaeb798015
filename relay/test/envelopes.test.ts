import { verifyOutcome } from '@yilian/ledger/verify';
import { Envelope, KeyCertificate, type RegionEntry, Request, signDocument } from '@yilian/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../src/api.ts';
import { FEDERATION, Federation, type Region, until } from './fixture/federation.ts';
import { hash, type Patient, Practitioner, signerOf } from './fixture/people.ts';
import { patientOf } from './fixture/steps.ts';

const HOUR_MS = 3_600_000;
/** Long enough for a registration and a grant. */
const BRIEF_S = 5;
let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let sequence = Date.now() * 1000;
let version = 1;
/** A doctor whose certificate ends while these tests run, and a patient who granted in time. */
let brief: { readonly doctor: Practitioner; readonly patient: Patient; readonly notAfter: number };

beforeAll(async () => {
  federation = await Federation.open();
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
  const notAfter = (Math.floor(Date.now() / 1000) + BRIEF_S) * 1000;
  const leaving = await Practitioner.register(south, south.hospital, notAfter);
  brief = { doctor: leaving, patient: await patientOf(federation, north, leaving), notAfter };
});

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

function envelope(body: unknown, changes: Partial<Envelope> = {}, credential = south.relayCredential) {
  sequence += 1;
  const issuedAt = Date.now();
  const document = {
    federation: FEDERATION,
    from: 'south',
    to: 'north',
    sequence,
    issuedAt,
    expiresAt: issuedAt + 20_000,
    kind: 'ask',
    body,
    ...changes,
  };
  return signDocument(Envelope, document, [signerOf(credential)]);
}

async function ask() {
  const patient = await patientOf(federation, north, doctor);
  return { request: doctor.ask(patient.pseudonym), keyCertificate: doctor.keyCertificate };
}

/** Registers the next version of the southern region's entry. */
async function change(changes: Partial<RegionEntry>): Promise<void> {
  version += 1;
  await federation.register(south.entry(version, changes));
}

async function send(value: unknown) {
  const { status, body } = await north.call<{ code?: string; document?: { kind: string; body: unknown } }>(
    'POST',
    '/v1/relay',
    value,
  );
  return {
    status,
    code: body.code,
    kind: body.document?.kind,
    body: body.document?.body as { state?: string; code?: string },
  };
}

describe('the door for other regions’ relays', () => {
  it('answers an honest envelope once, and the same question in a new one with the same decision', async () => {
    const body = await ask();
    const first = envelope(body);
    expect(await send(first)).toMatchObject({ status: 200, kind: 'answer', body: { state: 'decided' } });
    expect(await send(first)).toMatchObject({ status: 409, code: 'ENVELOPE_REPLAYED' });
    expect(await send(envelope(body))).toMatchObject({ status: 200, body: { state: 'decided' } });
  });

  it('refuses what is forged, redirected, expired, far behind or of a wrong kind', async () => {
    const body = await ask();
    const honest = envelope(body);
    const altered = { ...honest, document: { ...honest.document, body: { ...body, request: doctor.ask(hash()) } } };
    const stranger = south.network.credential(south.commission, 'relay');
    const now = Date.now();
    const cases: [string, unknown, number, string][] = [
      ['altered', altered, 401, 'SIGNATURE_INVALID'],
      ['signed by an unregistered certificate', envelope(body, {}, stranger), 403, 'RELAY_UNTRUSTED'],
      ['in another region’s name', envelope(body, { from: 'north' }), 403, 'RELAY_UNTRUSTED'],
      ['from nowhere', envelope(body, { from: 'east' }), 404, 'REGION_UNKNOWN'],
      ['for somebody else', envelope(body, { to: 'east' }), 403, 'ENVELOPE_MISDIRECTED'],
      ['for a proxy', envelope(body, { to: 'north/NorthHospital' }), 403, 'ENVELOPE_MISDIRECTED'],
      ['of another federation', envelope(body, { federation: 'elsewhere' }), 403, 'ENVELOPE_MISDIRECTED'],
      ['expired', envelope(body, { issuedAt: now - 40_000, expiresAt: now - 1 }), 403, 'ENVELOPE_EXPIRED'],
      ['valid for too long', envelope(body, { expiresAt: now + 90_000 }), 403, 'ENVELOPE_EXPIRED'],
      ['far behind', envelope(body, { sequence: 1 }), 409, 'ENVELOPE_REPLAYED'],
      ['of an unknown kind', envelope(body, { kind: 'order' }), 400, 'KIND_UNKNOWN'],
      ['with another body', envelope({ request: 1 }), 400, 'DOCUMENT_MALFORMED'],
      ['no envelope', { type: 'envelope', document: {}, signatures: [] }, 400, 'MALFORMED'],
    ];
    await send(envelope(body));
    for (const [what, value, status, code] of cases) {
      const answer = await send(value);
      expect({ what, status: answer.status, code: answer.code }).toEqual({ what, status, code });
    }
  });

  it('refuses questions that are not their signer’s, in an envelope', async () => {
    const { request, keyCertificate } = await ask();
    const stranger = await Practitioner.register(south);
    const forged = { ...request, document: { ...request.document, purpose: 'HRESCH' } };
    const asked = async (body: unknown) => (await send(envelope(body))).body;
    expect(await asked({ request: forged, keyCertificate })).toMatchObject({
      state: 'refused',
      code: 'SIGNATURE_INVALID',
    });
    expect(await asked({ request, keyCertificate: stranger.keyCertificate })).toMatchObject({
      state: 'refused',
      code: 'KEY_CERTIFICATE_MISMATCH',
    });
    const foreign = await Practitioner.register(north);
    const own = { request: foreign.ask(request.document.pseudonym), keyCertificate: foreign.keyCertificate };
    expect(await asked(own)).toMatchObject({ state: 'refused', code: 'REGION_MISMATCH' });
    const self = signDocument(KeyCertificate, { ...keyCertificate.document, certificate: '0'.repeat(64) }, [
      signerOf(doctor.credential),
    ]);
    expect(await asked({ request, keyCertificate: self })).toMatchObject({ state: 'refused' });
  });

  it('refuses a relay whose certificate is over, has not begun or was revoked', async () => {
    const { network, commission, relayCredential } = south;
    const now = Date.now();
    const [sound, over, early, revoked] = [
      network.credential(commission, 'relay'),
      network.credential(commission, 'relay', { notBefore: now - HOUR_MS, notAfter: now - 1000 }),
      network.credential(commission, 'relay', { notBefore: now + HOUR_MS, notAfter: now + 2 * HOUR_MS }),
      network.credential(commission, 'relay'),
    ];
    const relays = [relayCredential, sound, over, early, revoked].map((credential) => ({
      url: south.url,
      certificate: credential?.certificate ?? '',
    }));
    await change({ relays, trusts: [network.trustWithout(commission, revoked?.certificate ?? '')] });
    const body = await ask();
    await until(async () => expect(await send(envelope(body, {}, sound))).toMatchObject({ status: 200 }));
    for (const credential of [over, early, revoked])
      expect(await send(envelope(body, {}, credential))).toMatchObject({ status: 403, code: 'SIGNER_UNTRUSTED' });
  });

  it('has the chain deny, with proof, who asks with a certificate that was good once', async () => {
    const revoked = await Practitioner.register(south);
    const patient = await patientOf(federation, north, revoked);
    const asking = { request: revoked.ask(patient.pseudonym), keyCertificate: revoked.keyCertificate };
    await change({ trusts: [south.network.trustWithout(south.hospital, revoked.credential.certificate)] });
    await until(async () => expect((await north.chain.mirrorOf('south')).entry.version).toBe(version));
    await until(async () => expect(Date.now()).toBeGreaterThan(brief.notAfter));
    const late = { request: brief.doctor.ask(brief.patient.pseudonym), keyCertificate: brief.doctor.keyCertificate };
    for (const question of [asking, late]) {
      const { body } = await send(envelope(question));
      expect(body).toMatchObject({ state: 'decided', answer: { headers: [], shares: [] } });
      const proven = verifyOutcome((body as { answer: Answer }).answer.proof as never, [north.network.trust]);
      expect(JSON.parse(Buffer.from(proven.payload).toString())).toMatchObject({
        outcome: 'denied',
        scopes: [{ permitted: false, reason: 'CERTIFICATE_INVALID' }],
      });
    }
    const foreign = north.network.credential(north.hospital, 'practitioner');
    const stranger = signDocument(Request, asking.request.document, [signerOf(foreign)]);
    const { body } = await send(envelope({ ...asking, request: stranger }));
    expect(body).toMatchObject({ state: 'refused', code: 'SIGNER_UNTRUSTED' });
  });

  it('is closed for a frozen region, and the frozen region’s legs wait', async () => {
    await change({ frozen: true });
    await until(async () => {
      expect(await send(envelope(await ask()))).toMatchObject({ status: 403, code: 'REGION_FROZEN' });
    });
    await change({});
    await until(async () => {
      expect(await send(envelope(await ask()))).toMatchObject({ status: 200 });
    });
  });
});

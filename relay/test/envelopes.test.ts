import { Envelope, KeyCertificate, signDocument } from '@yilian/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEDERATION, Federation, type Region, until } from './fixture/federation.ts';
import { hash, Practitioner, signerOf } from './fixture/people.ts';
import { patientOf } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let sequence = Date.now() * 1000;

beforeAll(async () => {
  federation = await Federation.open();
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
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

async function ask(waitForConsent = false) {
  const patient = await patientOf(federation, north, doctor);
  return { request: doctor.ask(patient.pseudonym, { waitForConsent }), keyCertificate: doctor.keyCertificate };
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

  it('is closed for a frozen region, and the frozen region’s legs wait', async () => {
    await federation.register(south.entry(2, { frozen: true }));
    await until(async () => {
      expect(await send(envelope(await ask()))).toMatchObject({ status: 403, code: 'REGION_FROZEN' });
    });
    await federation.register(south.entry(3));
    await until(async () => {
      expect(await send(envelope(await ask()))).toMatchObject({ status: 200 });
    });
  });
});

import { sign, X509Certificate } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { submit } from '@yilian/ledger';
import {
  ConsentDenial,
  documentBytes,
  documentId,
  type Outcome,
  Request,
  signDocument,
  toBase64url,
} from '@yilian/protocol';
import { CHAINCODE, packProofs } from '@yilian/regional-chain';
import type { Member } from '@yilian/testbed';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  ELSEWHERE,
  HOME,
  HOUR_MS,
  payload,
  random,
  refusal,
  Stage,
  type StageDoctor,
  type StagePatient,
} from './stage.ts';

let stage: Stage;
let doctor: StageDoctor;
let patient: StagePatient;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
  doctor = await stage.doctor();
  patient = await stage.patient();
  await stage.publish(patient);
  await stage.grant(patient, doctor);
});
afterEach(() => vi.useRealTimers());
afterAll(() => stage[Symbol.asyncDispose]());

/** A good signature with the larger of its two S values: 33 bytes in DER. */
function highS(member: Member, message: Uint8Array): Uint8Array {
  const der = sign('sha256', message, member.privateKey);
  return der[5 + (der[3] ?? 0)] === 33 ? der : highS(member, message);
}

/** The last character of padded base64 with bits in it that stand for nothing. */
function unusedBitsSet(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return alphabet[alphabet.indexOf(character) + 1] ?? '';
}

const idOf = (request: ReturnType<Stage['request']>) => documentId(Request.type, request.document);
const travel = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

describe('a question on its own chain', () => {
  test('is recorded once, by the practitioner’s registered key, within its period', async () => {
    const chain = stage.relay(ELSEWHERE);
    const request = stage.request(doctor, patient);
    await chain.ask(request, [HOME]);
    await chain.ask(request, [HOME]);
    expect((await chain.pending()).filter(({ requestId }) => requestId === idOf(request))).toHaveLength(1);
    const ask = (change: Partial<Request>, signer = doctor.member) =>
      refusal(chain.ask(stage.request(doctor, patient, change, signer), [HOME]));
    const at = Date.now();
    expect(await ask({ keyCertificate: random(32) })).toBe('KEY_CERTIFICATE_UNKNOWN');
    expect(await ask({ notBefore: at + HOUR_MS, notAfter: at + 2 * HOUR_MS })).toBe('NOT_YET_VALID');
    expect(await ask({ notBefore: at - HOUR_MS, notAfter: at - 1 })).toBe('REQUEST_EXPIRED');
    expect(await ask({ notBefore: at, notAfter: at })).toBe('PERIOD_INVALID');
    expect(await ask({ notAfter: at + 8 * 24 * HOUR_MS })).toBe('PERIOD_INVALID');
    expect(await ask({ region: HOME })).toBe('REGION_MISMATCH');
    const colleague = stage.testbed.member(doctor.member.mspId, 'practitioner', 'colleague');
    expect(await ask({}, colleague)).toBe('CERTIFICATE_MISMATCH');
    expect(await refusal(stage.hospital(ELSEWHERE).ask(stage.request(doctor, patient), [HOME]))).toBe('ROLE_REQUIRED');
    expect(await refusal(chain.ask(stage.request(doctor, patient), ['main']))).toBe('REGION_UNKNOWN');
  });

  test('gains homes as long as a final word is missing', async () => {
    const chain = stage.relay(ELSEWHERE);
    const request = stage.request(doctor, patient);
    await chain.ask(request, []);
    await chain.ask(request, [HOME]);
    expect(await chain.request(idOf(request))).toMatchObject({ homes: [HOME] });
    const { proof } = await stage.decide(doctor, request);
    await chain.mirrorOutcomes([await proof()]);
    await chain.ask(request, ['region-c']);
    expect(await chain.request(idOf(request))).toMatchObject({
      homes: [HOME],
      legs: [{ region: HOME, outcome: 'released' }],
    });
    expect((await chain.pending()).map(({ requestId }) => requestId)).not.toContain(idOf(request));
  });
});

describe('a decision', () => {
  test('is written once', async () => {
    const request = stage.request(doctor, patient);
    const { outcome, committed } = await stage.decide(doctor, request);
    expect(outcome).toMatchObject({ outcome: 'released', region: HOME, requestingRegion: ELSEWHERE });
    expect(await refusal(stage.decide(doctor, request))).toBe('DECIDED');
    expect(await stage.relay().outcome(idOf(request))).toMatchObject({ transactionId: committed.transactionId });
    expect(await refusal(stage.relay().outcome(random(32)))).toBe('OUTCOME_UNKNOWN');
  });

  test('denies what no grant covers, and says why', async () => {
    const reason = async (change: Partial<Request>, asking = doctor) => {
      const { outcome } = await stage.decide(asking, stage.request(asking, patient, change));
      return outcome.scopes.map((scope) => (scope.permitted ? 'permitted' : scope.reason));
    };
    expect(await reason({ purpose: 'HRESCH' })).toEqual(['PURPOSE']);
    expect(await reason({ scopes: ['imaging', 'laboratory'] })).toEqual(['SCOPE', 'permitted']);
    expect(await reason({}, await stage.doctor())).toEqual(['NO_GRANT']);
  });

  test('is absent for a patient the region does not know', async () => {
    const { outcome } = await stage.decide(doctor, stage.request(doctor, { pseudonym: random(32) }));
    expect(outcome).toMatchObject({ outcome: 'absent', patientKnown: false, scopes: [] });
  });

  test('is expired after the request’s end', async () => {
    const at = Date.now();
    const late = stage.request(doctor, patient, { notBefore: at - HOUR_MS, notAfter: at - 1 });
    expect((await stage.decide(doctor, late)).outcome).toMatchObject({ outcome: 'expired', scopes: [] });
  });

  test('is refused without a fresh view of the main chain, or of one as high as the request asks', async () => {
    const decide = (height?: Awaited<ReturnType<Stage['mainHeight']>>, change: Partial<Request> = {}) =>
      refusal(stage.relay().decide(stage.request(doctor, patient, change), doctor.keyCertificate, height));
    const { regions } = (await stage.mainHeight()).document;
    const changed = regions.map(({ region, version }) => ({ region, version: version + 1 }));
    expect(await decide(await stage.mainHeight({ regions: changed }))).toBe('ROOTS_STALE');
    expect(await decide(await stage.mainHeight({ regions: [] }))).toBe('ROOTS_STALE');
    expect(await decide(await stage.mainHeight(), { minMainHeight: 1_000_000 })).toBe('ROOTS_STALE');
    expect(await decide(await stage.mainHeight({ at: Date.now() + 2 * 60_000 }))).toBe('DOCUMENT_FROM_FUTURE');
    const two = stage.testbed.mainAuthorities.slice(0, 2).map((mspId) => stage.testbed.member(mspId, 'proxy'));
    expect(await decide(await stage.mainHeight({}, two))).toBe('ATTESTATION_POLICY');
    const relays = stage.testbed.mainAuthorities.map((mspId) => stage.testbed.member(mspId, 'relay'));
    expect(await decide(await stage.mainHeight({}, relays))).toBe('ATTESTATION_POLICY');
    const [first, second] = two;
    const repeated = first === undefined || second === undefined ? [] : [first, first, second];
    expect(await decide(await stage.mainHeight({}, repeated))).toBe('ATTESTATION_POLICY');
    expect(await decide(await stage.mainHeight({}, stage.proxyMembers()))).toBe('SIGNER_UNTRUSTED');
    expect(await decide(await stage.mainHeight({ federation: 'other' }))).toBe('FEDERATION_MISMATCH');
    travel(62_000);
    expect(await decide()).toBe('ROOTS_STALE');
    expect(await decide(await stage.mainHeight({ at: Date.now() - 61_000 }))).toBe('ROOTS_STALE');
    expect((await stage.decide(doctor, stage.request(doctor, patient))).outcome.outcome).toBe('released');
  });

  test('refuses a request that another region’s key certificate or no signature stands behind', async () => {
    const decide = async (change: Partial<Request>, signer = doctor.member, keyCertificate = doctor.keyCertificate) => {
      const request = stage.request(doctor, patient, change, signer);
      return refusal(stage.relay().decide(request, keyCertificate, await stage.mainHeight()));
    };
    const other = await stage.doctor(HOME);
    const inside = stage.request(doctor, patient, { region: HOME });
    expect(await refusal(stage.relay().decide(inside, doctor.keyCertificate, undefined, [HOME]))).toBe(
      'REGION_MISMATCH',
    );
    expect(await decide({ region: HOME })).toBe('ARGUMENT_MALFORMED');
    expect(await decide({ keyCertificate: other.id })).toBe('KEY_CERTIFICATE_MISMATCH');
    expect(await decide({ keyCertificate: other.id }, doctor.member, other.keyCertificate)).toBe('REGION_MISMATCH');
    expect(await decide({ keyCertificate: random(32) })).toBe('KEY_CERTIFICATE_MISMATCH');
    expect(await decide({ region: 'region-z' })).toBe('REGION_UNKNOWN');
    expect(await decide({}, other.member)).toBe('CERTIFICATE_MISMATCH');
    expect(await decide({ notBefore: Date.now() + HOUR_MS, notAfter: Date.now() + 2 * HOUR_MS })).toBe('NOT_YET_VALID');
    expect(await decide({ notAfter: Date.now() + 30 * 24 * HOUR_MS })).toBe('PERIOD_INVALID');
    const { signatures } = stage.request(doctor, patient);
    const altered = { ...stage.request(doctor, patient), signatures };
    expect(await refusal(stage.relay().decide(altered, doctor.keyCertificate, await stage.mainHeight()))).toBe(
      'SIGNATURE_INVALID',
    );
  });

  test('is not turned into a denial by whoever spells the signature or its certificate in another way', async () => {
    let asking = await stage.doctor();
    while (!asking.member.certificate.includes('=')) asking = await stage.doctor();
    await stage.grant(patient, asking);
    const request = stage.request(asking, patient);
    const decide = async (change: object) => {
      const altered = { ...request, signatures: request.signatures.map((signature) => ({ ...signature, ...change })) };
      return refusal(stage.relay().decide(altered, asking.keyCertificate, await stage.mainHeight()));
    };
    const message = documentBytes(Request.type, request.document);
    expect(await decide({ value: toBase64url(highS(asking.member, message)) })).toBe('SIGNATURE_INVALID');
    const certificate = asking.member.certificate.replace(/[A-Za-z0-9+/](?==)/, unusedBitsSet);
    expect(certificate).not.toBe(asking.member.certificate);
    expect(new X509Certificate(certificate).raw).toEqual(new X509Certificate(asking.member.certificate).raw);
    expect(await decide({ certificate })).toBe('CERTIFICATE_MISMATCH');
    expect((await stage.decide(asking, request)).outcome.outcome).toBe('released');
  });

  test('denies a key certificate whose own period is over, whatever the grant says', async () => {
    const brief = await stage.doctor(ELSEWHERE, { notAfter: Date.now() + 10_000 });
    await stage.grant(patient, brief);
    expect((await stage.decide(brief, stage.request(brief, patient))).outcome.outcome).toBe('released');
    travel(11_000);
    const { outcome } = await stage.decide(brief, stage.request(brief, patient));
    expect(outcome).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'CERTIFICATE_INVALID' }] });
    expect(await refusal(stage.relay(ELSEWHERE).ask(stage.request(brief, patient), [HOME]))).toBe(
      'CERTIFICATE_INVALID',
    );
  });

  test('inside one region asks and decides at once', async () => {
    const own = await stage.doctor(HOME);
    await stage.relay().grant(stage.grantDocument(patient, own), own.keyCertificate, undefined);
    const request = stage.request(own, patient);
    const outcome = payload(await stage.relay().decide(request, undefined, undefined, [HOME]));
    expect(outcome).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'NOT_ACTIVE' }] });
    expect(await stage.relay().request(idOf(request))).toMatchObject({ homes: [HOME], legs: [] });
    expect((await stage.relay().pending()).map(({ requestId }) => requestId)).not.toContain(idOf(request));
  });

  test('of the own region keeps a request pending until it and all other homes have spoken', async () => {
    const own = await stage.doctor(HOME);
    const request = stage.request(own, patient);
    const pending = async () => (await stage.relay().pending()).some(({ requestId }) => requestId === idOf(request));
    await stage.relay().ask(request, [HOME, ELSEWHERE]);
    await stage.relay().decide(request, undefined, undefined, [HOME, ELSEWHERE]);
    expect(await pending()).toBe(true);
    const elsewhere = await stage.relay(ELSEWHERE).decide(request, own.keyCertificate, await stage.mainHeight());
    await stage.relay().mirrorOutcomes([await stage.testbed.prove(ELSEWHERE, elsewhere)]);
    expect(await pending()).toBe(false);
  });
});

describe('a request that waits for consent', () => {
  const waiting = () => stage.request(doctor, { pseudonym: asked.pseudonym }, { waitForConsent: true });
  let asked: StagePatient;
  beforeAll(async () => {
    asked = await stage.patient();
    await stage.publish(asked);
  });
  const decide = async (request: ReturnType<Stage['request']>) =>
    stage.relay().decide(request, undefined, await stage.mainHeight());
  const denial = (requestId: string, change: Partial<ConsentDenial> = {}, signer = asked.signer) =>
    signDocument(
      ConsentDenial,
      {
        federation: stage.federation,
        region: HOME,
        pseudonym: asked.pseudonym,
        requestId,
        signedAt: Date.now(),
        ...change,
      },
      [signer],
    );
  const first = async (request: ReturnType<Stage['request']>) =>
    payload<{ waiting?: boolean }>(
      await stage.relay().decide(request, doctor.keyCertificate, await stage.mainHeight()),
    );

  test('ends denied by the patient’s no', async () => {
    const request = waiting();
    expect(await first(request)).toMatchObject({ waiting: true });
    expect((await stage.relay().waiting(asked.pseudonym)).map(({ requestId }) => requestId)).toEqual([idOf(request)]);
    expect(await refusal(stage.relay().decline(denial(random(32))))).toBe('NOT_WAITING');
    expect(await refusal(stage.relay().decline(denial(idOf(request), {}, patient.signer)))).toBe('SIGNATURE_MISSING');
    expect(await refusal(stage.relay().decline(denial(idOf(request), { region: ELSEWHERE })))).toBe('REGION_MISMATCH');
    expect(payload(await decide(request))).toMatchObject({ waiting: true });
    await stage.relay().decline(denial(idOf(request)));
    await stage.relay().decline(denial(idOf(request)));
    expect(payload(await decide(request))).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'DECLINED' }] });
    expect(await stage.relay().waiting(asked.pseudonym)).toEqual([]);
    expect(await refusal(stage.relay().decline(denial(idOf(request))))).toBe('NOT_WAITING');
  });

  test('ends released by the patient’s grant, and expired by its end', async () => {
    const [granted, forgotten] = [waiting(), waiting()];
    await first(granted);
    await first(forgotten);
    const grantId = await stage.grant(asked, doctor, {}, 1);
    expect(payload(await decide(granted))).toMatchObject({ waiting: true });
    await stage.testbed.region(HOME, 'HospitalA1', 'proxy').acknowledge(grantId);
    expect(payload(await decide(granted)).outcome).toBe('released');
    await stage.relay().revoke(stage.revocation(asked, grantId));
    travel(2 * HOUR_MS);
    expect(payload(await decide(forgotten)).outcome).toBe('expired');
    expect(await stage.relay().waiting(asked.pseudonym)).toEqual([]);
  });

  test('beyond eight of one practitioner is denied instead', async () => {
    const pushy = await stage.doctor();
    const other = await stage.patient();
    const ask = async () => {
      const request = stage.request(pushy, other, { waitForConsent: true });
      return payload<Outcome & { waiting?: true }>(
        await stage.relay().decide(request, pushy.keyCertificate, await stage.mainHeight()),
      );
    };
    for (let count = 0; count < 8; count += 1) expect(await ask()).toMatchObject({ waiting: true });
    expect(await ask()).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'NO_GRANT' }] });
    const all = await stage.relay().waiting(other.pseudonym);
    expect(all).toHaveLength(8);
    const after = `${other.pseudonym}/${all[5]?.requestId}`;
    expect(await stage.relay().waiting(other.pseudonym, after)).toEqual(all.slice(6));
  });
});

describe('what other regions answered', () => {
  test('is mirrored with proof, and only for what was asked there', async () => {
    const chain = stage.relay(ELSEWHERE);
    const request = stage.request(doctor, patient);
    const { proof } = await stage.decide(doctor, request);
    expect(await refusal(chain.mirrorOutcomes([await proof()]))).toBe('REQUEST_UNKNOWN');
    await chain.ask(request, ['region-c']);
    expect(await refusal(chain.mirrorOutcomes([await proof()]))).toBe('REGION_UNKNOWN');
    await chain.ask(request, [HOME]);
    await chain.mirrorOutcomes([await proof(), await proof()]);
    expect(await chain.request(idOf(request))).toMatchObject({ legs: [{ region: HOME, outcome: 'released' }] });
    const other = await stage.testbed.prove('main', await stage.testbed.main().declareAbsent(random(32), random(32)));
    expect(await refusal(chain.mirrorOutcomes([other]))).toBe('REGION_UNKNOWN');
    const notDecided = await stage.testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
    expect(await refusal(chain.mirrorOutcomes([notDecided]))).toBe('FUNCTION_MISMATCH');
  });

  test('is written packed, and refused unless it is exactly that and every certificate in it its signer’s own', async () => {
    const { testbed } = stage;
    const request = stage.request(doctor, patient);
    await stage.relay(ELSEWHERE).ask(request, [HOME]);
    const proof = await (await stage.decide(doctor, request)).proof();
    const chain = testbed.connection(ELSEWHERE, testbed.member('CommissionB', 'relay')).contract(ELSEWHERE, CHAINCODE);
    const mirror = (packed: string) => submit(chain, 'Requests:mirror', [packed]);
    const whole = packProofs([proof]);
    for (const packed of [JSON.stringify([proof]), '', whole.slice(0, -8), `${whole}AAAA`, `${whole}=`])
      expect(await refusal(mirror(packed))).toBe('ARGUMENT_MALFORMED');
    const bomb = deflateRawSync(Buffer.alloc(9 * 1024 * 1024)).toString('base64url');
    expect(await refusal(mirror(bomb))).toBe('ARGUMENT_TOO_LARGE');
    const [first, second] = proof.attestations;
    const another = [{ ...first!, certificate: second!.certificate }, second!];
    expect(await refusal(mirror(packProofs([{ ...proof, attestations: another }])))).toBe('CERTIFICATE_UNTRUSTED');
    const same = [first!, { ...first!, signature: second!.signature }];
    expect(await refusal(mirror(packProofs([{ ...proof, attestations: same }])))).toBe('ATTESTATION_INVALID');
    await mirror(whole);
    expect(await stage.relay(ELSEWHERE).request(idOf(request))).toMatchObject({ legs: [{ outcome: 'released' }] });
  });

  test('a waiting request is no outcome', async () => {
    const asker = await stage.doctor();
    const waits = stage.request(asker, await stage.patient(), { waitForConsent: true });
    await stage.relay(ELSEWHERE).ask(waits, [HOME]);
    const committed = await stage.relay().decide(waits, asker.keyCertificate, await stage.mainHeight());
    const proof = await stage.testbed.prove(HOME, committed);
    expect(await refusal(stage.relay(ELSEWHERE).mirrorOutcomes([proof]))).toBe('DOCUMENT_MALFORMED');
  });

  test('may be nobody: the main chain’s fresh word closes the request', async () => {
    const { testbed } = stage;
    const chain = stage.relay(ELSEWHERE);
    const request = stage.request(doctor, { pseudonym: random(32) });
    const requestId = idOf(request);
    await chain.ask(request, []);
    const declare = (pseudonym: string, id: string) => testbed.main().declareAbsent(pseudonym, id);
    const { pseudonym } = request.document;
    const other = await testbed.prove('main', await declare(random(32), requestId));
    expect(await refusal(chain.recordAbsence(requestId, other))).toBe('PROOF_MISMATCH');
    const proof = await testbed.prove('main', await declare(pseudonym, requestId));
    travel(61_000);
    expect(await refusal(chain.recordAbsence(requestId, proof))).toBe('ROOTS_STALE');
    vi.useRealTimers();
    await chain.recordAbsence(requestId, proof);
    expect(await chain.request(requestId)).toMatchObject({ legs: [{ region: 'main', outcome: 'absent' }] });
    expect((await chain.pending()).map((entry) => entry.requestId)).not.toContain(requestId);
    const high = stage.request(doctor, { pseudonym }, { minMainHeight: 1_000_000 });
    await chain.ask(high, []);
    const low = await testbed.prove('main', await declare(pseudonym, idOf(high)));
    expect(await refusal(chain.recordAbsence(idOf(high), low))).toBe('PROOF_MISMATCH');
  });

  test('fails after twice the clock window, and a later word stays beside the failure', async () => {
    const chain = stage.relay(ELSEWHERE);
    const request = stage.request(doctor, patient, { notAfter: Date.now() + 60_000 });
    await chain.ask(request, [HOME]);
    expect(await refusal(chain.fail(idOf(request), HOME))).toBe('NOT_YET_VALID');
    expect(await refusal(chain.fail(idOf(request), ELSEWHERE))).toBe('REGION_UNKNOWN');
    const { proof } = await stage.decide(doctor, request);
    travel(60_000 + 121_000);
    await chain.fail(idOf(request), HOME);
    expect(await chain.request(idOf(request))).toMatchObject({ legs: [{ outcome: 'failed' }] });
    await chain.mirrorOutcomes([await proof()]);
    const { legs } = await chain.request(idOf(request));
    expect(legs).toMatchObject([{ outcome: 'released' }]);
    expect(legs[0]?.failedAt).toBeGreaterThan(request.document.notAfter);
  });
});

import { SecretKey, Signer } from '@yilian/pre';
import { documentId, KeyCertificate, PatientKey, ScopeKey, signDocument } from '@yilian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOf, ELSEWHERE, HOME, HOUR_MS, payload, random, refusal, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage[Symbol.asyncDispose]());

describe('a patient’s signing key on the main chain', () => {
  const register = (...args: Parameters<Stage['patientKey']>) =>
    stage.testbed.main().registerPatient(stage.patientKey(...args));

  test('is registered once, and confirmed for every later region', async () => {
    const keys = stage.newKeys();
    const pseudonym = random(32);
    const first = await register(keys, { pseudonym });
    const second = await register(keys, { pseudonym, region: ELSEWHERE });
    expect(payload(second)).toEqual(payload(first));
    const { transactionId } = first;
    expect(await stage.testbed.main().patient(pseudonym)).toEqual({ ...payload<object>(first), transactionId });
  });

  test('is not replaced by another key or key epoch for the same pseudonym', async () => {
    const keys = stage.newKeys();
    const pseudonym = random(32);
    await register(keys, { pseudonym });
    expect(await refusal(register(stage.newKeys(), { pseudonym }))).toBe('PSEUDONYM_TAKEN');
    expect(await refusal(register(keys, { pseudonym, keyEpoch: 2 }))).toBe('PSEUDONYM_TAKEN');
  });

  test('is vouched for by a hospital of the region it names', async () => {
    const relay = stage.testbed.member('CommissionA', 'relay');
    expect(await refusal(register(stage.newKeys(), {}, { vouching: relay }))).toBe('ROLE_REQUIRED');
    const stranger = stage.testbed.member('HospitalB1', 'hospital');
    expect(await refusal(register(stage.newKeys(), {}, { vouching: stranger }))).toBe('SIGNER_UNTRUSTED');
    expect(await refusal(register(stage.newKeys(), { region: 'region-z' }, { vouching: stranger }))).toBe(
      'REGION_UNKNOWN',
    );
  });

  test('is signed by itself, now, for this federation', async () => {
    const other = stage.newKeys().signer().verifyingKey().toBase64url();
    expect(await refusal(register(stage.newKeys(), { signingKey: other }))).toBe('SIGNATURE_MISSING');
    expect(await refusal(register(stage.newKeys(), { federation: 'other' }))).toBe('FEDERATION_MISMATCH');
    const now = Date.now();
    expect(await refusal(register(stage.newKeys(), { signedAt: now - 2 * HOUR_MS }))).toBe('DOCUMENT_TOO_OLD');
    expect(await refusal(register(stage.newKeys(), { signedAt: now + HOUR_MS }))).toBe('DOCUMENT_FROM_FUTURE');
  });

  test('is looked up by a well-formed pseudonym only', async () => {
    expect(await refusal(stage.testbed.main().patient(random(32)))).toBe('PATIENT_UNKNOWN');
    expect(await refusal(stage.testbed.main().patient('x'))).toBe('DOCUMENT_MALFORMED');
  });
});

describe('enrolment in a region', () => {
  test('rests on the main chain’s registration of this very key', async () => {
    const { testbed } = stage;
    const keys = stage.newKeys();
    const patientKey = stage.patientKey(keys);
    const other = stage.patientKey(stage.newKeys());
    const registered = await testbed.prove('main', await testbed.main().registerPatient(other));
    expect(await refusal(stage.hospital().enrol(patientKey, registered))).toBe('PROOF_MISMATCH');
    const twin = stage.patientKey(keys);
    const own = await testbed.prove('main', await testbed.main().registerPatient(twin));
    expect(await refusal(stage.hospital().enrol(patientKey, own))).toBe('PROOF_MISMATCH');
    const announced = await testbed.prove('main', await testbed.main().declareAbsent(random(32), random(32)));
    expect(await refusal(stage.hospital().enrol(patientKey, announced))).toBe('FUNCTION_MISMATCH');
    const foreign = { ...registered, network: HOME };
    expect(await refusal(stage.hospital().enrol(patientKey, foreign))).toBe('NETWORK_MISMATCH');
  });

  test('needs a hospital’s submission and a document for this region', async () => {
    const { testbed } = stage;
    const patientKey = stage.patientKey(stage.newKeys());
    const proof = await testbed.prove('main', await testbed.main().registerPatient(patientKey));
    expect(await refusal(stage.relay().enrol(patientKey, proof))).toBe('ROLE_REQUIRED');
    expect(await refusal(stage.hospital(ELSEWHERE).enrol(patientKey, proof))).toBe('REGION_MISMATCH');
    await stage.hospital().enrol(patientKey, proof);
    await stage.hospital().enrol(patientKey, proof);
    expect(await stage.relay().patient(patientKey.document.pseudonym)).toMatchObject({ announced: false });
  });

  test('two regions can only enrol the one key that the main chain knows', async () => {
    const { testbed } = stage;
    const pseudonym = random(32);
    const attempts = [HOME, ELSEWHERE].map(async (region) => {
      const patientKey = stage.patientKey(stage.newKeys(), { pseudonym, region });
      const registered = await testbed.main().registerPatient(patientKey);
      await stage.hospital(region).enrol(patientKey, await testbed.prove('main', registered));
      return patientKey.document.signingKey;
    });
    const settled = await Promise.allSettled(attempts);
    const winners = settled.filter(({ status }) => status === 'fulfilled');
    expect(winners).toHaveLength(1);
    const losers = settled.flatMap((result) => (result.status === 'rejected' ? [codeOf(result.reason)] : []));
    expect(losers).toEqual(['PSEUDONYM_TAKEN']);
    const [winner] = winners as PromiseFulfilledResult<string>[];
    expect(await testbed.main().patient(pseudonym)).toMatchObject({ signingKey: winner?.value });
  });
});

describe('a scope key', () => {
  test('is bound epoch by epoch and never back', async () => {
    const patient = await stage.patient();
    const bind = (change: Partial<ScopeKey>) => stage.hospital().bind(stage.scopeKey(patient, change));
    await bind({});
    expect(await refusal(bind({ epoch: 3 }))).toBe('EPOCH');
    await bind({ epoch: 2 });
    expect(await refusal(bind({ epoch: 1 }))).toBe('EPOCH');
    expect(await refusal(bind({ scope: 'imaging', epoch: 2 }))).toBe('EPOCH');
    const [current] = await stage.relay().scopeKeys(patient.pseudonym);
    expect(current?.document.epoch).toBe(2);
  });

  test('is a valid point that was never bound before and is not the signing key', async () => {
    const patient = await stage.patient();
    const bind = (change: Partial<ScopeKey>) => stage.hospital().bind(stage.scopeKey(patient, change));
    const first = patient.keys.scopeKey({ region: HOME, scope: 'laboratory', epoch: 1 }).publicKey().toBase64url();
    expect(await refusal(bind({ epoch: 2, key: first }))).toBe('KEY_REUSED');
    expect(await refusal(bind({ scope: 'imaging', key: first }))).toBe('KEY_REUSED');
    expect(await refusal(bind({ epoch: 2, key: patient.signingKey }))).toBe('KEY_REUSED');
    const noPoint = `A${'v'.padEnd(43, '_')}`;
    expect(await refusal(bind({ epoch: 2, key: noPoint }))).toBe('KEY_INVALID');
  });

  test('is of a registered scope, of an enrolled patient, and signed by them', async () => {
    const patient = await stage.patient();
    const bind = (change: Partial<ScopeKey>) => stage.hospital().bind(stage.scopeKey(patient, change));
    expect(await refusal(bind({ scope: 'astrology' }))).toBe('SCOPE_UNKNOWN');
    expect(await refusal(bind({ pseudonym: random(32), scope: 'imaging' }))).toBe('PATIENT_UNKNOWN');
    const { document } = stage.scopeKey(patient, { scope: 'imaging' });
    const forged = signDocument(ScopeKey, document, [stage.newKeys().signer()]);
    expect(await refusal(stage.hospital().bind(forged))).toBe('SIGNATURE_MISSING');
    expect(await refusal(stage.relay().bind(stage.scopeKey(patient, { scope: 'imaging' })))).toBe('ROLE_REQUIRED');
    expect(await refusal(bind({ scope: 'imaging', region: ELSEWHERE }))).toBe('REGION_MISMATCH');
  });
});

describe('a practitioner’s key certificate', () => {
  test('is registered once and keeps its transaction', async () => {
    const doctor = await stage.doctor();
    const again = await stage.hospital(ELSEWHERE).registerPractitioner(doctor.keyCertificate);
    expect(new TextDecoder().decode(again.result)).toBe(doctor.id);
    const entry = await stage.relay(ELSEWHERE).keyCertificate(doctor.id);
    expect(entry.transactionId).not.toBe(again.transactionId);
    expect(documentId(KeyCertificate.type, entry.signed.document)).toBe(doctor.id);
    expect(await refusal(stage.relay().keyCertificate(doctor.id))).toBe('KEY_CERTIFICATE_UNKNOWN');
  });

  test('proves possession of both keys and names a practitioner of the submitting hospital', async () => {
    const { testbed } = stage;
    const chain = stage.hospital(ELSEWHERE);
    const member = testbed.member('HospitalB1', 'practitioner');
    const secret = SecretKey.random();
    const register = (...args: Parameters<Stage['keyCertificate']>) =>
      chain.registerPractitioner(stage.keyCertificate(...args));
    expect(await refusal(register(member, secret, {}, { key: SecretKey.random() }))).toBe('SIGNATURE_MISSING');
    const colleague = testbed.member('HospitalB1', 'practitioner', 'colleague');
    expect(await refusal(register(member, secret, {}, { member: colleague }))).toBe('CERTIFICATE_MISMATCH');
    const clerk = testbed.member('HospitalB1', 'hospital');
    expect(await refusal(register(clerk, secret))).toBe('ROLE_REQUIRED');
    const other = testbed.member('HospitalB2', 'practitioner');
    expect(await refusal(register(other, secret))).toBe('CUSTODY_MISMATCH');
    expect(await refusal(register(member, secret, { mspId: 'HospitalB1', region: HOME }))).toBe('REGION_MISMATCH');
    const foreign = testbed.member('HospitalA1', 'practitioner');
    expect(await refusal(register(foreign, secret, { mspId: 'HospitalB1' }))).toBe('SIGNER_UNTRUSTED');
    expect(await refusal(stage.relay(ELSEWHERE).registerPractitioner(stage.keyCertificate(member, secret)))).toBe(
      'ROLE_REQUIRED',
    );
  });

  test('has a period within its certificate’s', async () => {
    const member = stage.testbed.member('HospitalB1', 'practitioner');
    const at = Date.now();
    const register = (change: Partial<KeyCertificate>) =>
      refusal(stage.hospital(ELSEWHERE).registerPractitioner(stage.keyCertificate(member, SecretKey.random(), change)));
    expect(await register({ notAfter: at - 1000 })).toBe('PERIOD_INVALID');
    expect(await register({ notBefore: at, notAfter: at })).toBe('PERIOD_INVALID');
    expect(await register({ notAfter: at + 20 * 366 * 24 * HOUR_MS })).toBe('PERIOD_INVALID');
  });
});

test('a document with two certificate signatures is refused', async () => {
  const member = stage.testbed.member('HospitalB1', 'practitioner');
  const secret = SecretKey.random();
  const { document } = stage.keyCertificate(member, secret);
  const doubled = signDocument(KeyCertificate, document, [member, member, new Signer(secret)]);
  expect(await refusal(stage.hospital(ELSEWHERE).registerPractitioner(doubled))).toBe('SIGNATURES_TOO_MANY');
  const hospital = stage.testbed.member('HospitalA1', 'hospital');
  const keys = stage.newKeys();
  const patientKey = signDocument(PatientKey, stage.patientKey(keys).document, [keys.signer(), hospital, hospital]);
  expect(await refusal(stage.testbed.main().registerPatient(patientKey))).toBe('SIGNATURES_TOO_MANY');
});

import { DestructionReceipt, documentId, Grant, KeyCertificate, type Outcome, signDocument } from '@yilian/protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ELSEWHERE, HOME, HOUR_MS, random, refusal, Stage, type StageDoctor, type StagePatient } from './stage.ts';

let stage: Stage;
let doctor: StageDoctor;
let patient: StagePatient;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
  doctor = await stage.doctor();
  patient = await stage.patient(['laboratory', 'imaging']);
});
afterAll(() => stage[Symbol.asyncDispose]());

const submit = (grant: ReturnType<Stage['grantDocument']>) =>
  stage.relay().grant(grant, doctor.keyCertificate, doctor.registration);
const reasons = ({ scopes }: Outcome) => scopes.map((scope) => (scope.permitted ? 'permitted' : scope.reason));

describe('a proxy’s key', () => {
  test('is its own organisation’s, signed by it, newer than the last and nobody else’s', async () => {
    const [commission, hospital] = stage.proxyMembers();
    if (commission === undefined || hospital === undefined) throw new Error('no proxies');
    const chain = stage.testbed.region(HOME, commission.mspId, 'proxy');
    expect(await refusal(chain.registerProxy(stage.proxyKey(hospital)))).toBe('CUSTODY_MISMATCH');
    const relay = stage.testbed.member(commission.mspId, 'relay');
    expect(await refusal(chain.registerProxy(stage.proxyKey(relay)))).toBe('ROLE_REQUIRED');
    expect(await refusal(stage.relay().registerProxy(stage.proxyKey(commission)))).toBe('ROLE_REQUIRED');
    const taken = (await chain.proxies()).find(({ document }) => document.mspId === hospital.mspId)?.document.key;
    expect(await refusal(chain.registerProxy(stage.proxyKey(commission, HOME, { key: taken ?? '' })))).toBe(
      'KEY_REUSED',
    );
    const next = stage.proxyKey(commission);
    await chain.registerProxy(next);
    await chain.registerProxy(next);
    const older = stage.proxyKey(commission, HOME, { signedAt: next.document.signedAt - 1 });
    expect(await refusal(chain.registerProxy(older))).toBe('DOCUMENT_TOO_OLD');
  });
});

describe('a grant', () => {
  test('is refused when what it names is not there', async () => {
    const grant = (change: Partial<Grant>) => refusal(submit(stage.grantDocument(patient, doctor, change)));
    const at = Date.now();
    expect(await grant({ pseudonym: random(32) })).toBe('PATIENT_UNKNOWN');
    expect(await grant({ grantee: random(32) })).toBe('GRANTEE_MISMATCH');
    expect(await grant({ scopes: [{ scope: 'laboratory', epoch: 2 }] })).toBe('EPOCH');
    expect(
      await grant({
        scopes: [
          { scope: 'laboratory', epoch: 1 },
          { scope: 'laboratory', epoch: 1 },
        ],
      }),
    ).toBe('SCOPE_REPEATED');
    expect(await grant({ notAfter: at - 1 })).toBe('PERIOD_INVALID');
    expect(await grant({ notBefore: at + HOUR_MS, notAfter: at + HOUR_MS })).toBe('PERIOD_INVALID');
    expect(await grant({ notAfter: at + 6 * 366 * 24 * HOUR_MS })).toBe('PERIOD_INVALID');
    expect(await grant({ threshold: 4 })).toBe('THRESHOLD_INVALID');
    const [proxy] = stage.grantDocument(patient, doctor).document.proxies;
    expect(await grant({ proxies: proxy === undefined ? [] : [proxy, proxy] })).toBe('THRESHOLD_INVALID');
    expect(await grant({ proxies: [{ mspId: 'AuditorA', commitment: random(32) }], threshold: 1 })).toBe(
      'PROXY_UNKNOWN',
    );
    expect(await grant({ region: ELSEWHERE })).toBe('REGION_MISMATCH');
    expect(await grant({ federation: 'other' })).toBe('FEDERATION_MISMATCH');
    expect(await grant({ signedAt: at - 2 * HOUR_MS })).toBe('DOCUMENT_TOO_OLD');
  });

  test('is the patient’s own, and a foreign grantee is proven', async () => {
    const { document } = stage.grantDocument(patient, doctor);
    const forged = signDocument(Grant, document, [stage.newKeys().signer()]);
    expect(await refusal(submit(forged))).toBe('SIGNATURE_MISSING');
    const unknown = await stage.doctor();
    const grant = stage.grantDocument(patient, unknown);
    expect(await refusal(stage.relay().grant(grant, unknown.keyCertificate, undefined))).toBe('PROOF_MISSING');
    expect(await refusal(stage.relay().grant(grant, unknown.keyCertificate, doctor.registration))).toBe(
      'PROOF_MISMATCH',
    );
    const own = await stage.doctor(HOME);
    const unregistered = stage.keyCertificate(own.member, own.secret, { region: HOME, signedAt: Date.now() - 1 });
    const grantee = documentId(KeyCertificate.type, unregistered.document);
    const granted = stage.grantDocument(patient, own, { grantee });
    expect(await refusal(stage.relay().grant(granted, unregistered, undefined))).toBe('KEY_CERTIFICATE_UNKNOWN');
    expect(await refusal(stage.relay().grant(granted, unregistered, own.registration))).toBe('KEY_CERTIFICATE_UNKNOWN');
    await stage.relay().grant(stage.grantDocument(patient, own), own.keyCertificate, undefined);
  });

  test('can be brought twice and is one', async () => {
    const grant = stage.grantDocument(patient, doctor);
    await submit(grant);
    await submit(grant);
    const id = documentId(Grant.type, grant.document);
    const listed = await stage.relay().grants(patient.pseudonym, doctor.id);
    expect(listed.filter(({ grantId }) => grantId === id)).toHaveLength(1);
  });

  test('is acknowledged by the proxies it names, until it is revoked', async () => {
    const [first, second] = stage.proxyMembers();
    const mspIds = [first?.mspId ?? '', second?.mspId ?? ''];
    const proxies = mspIds.map((mspId) => ({ mspId, commitment: random(32) }));
    const grantId = await stage.grant(patient, doctor, { proxies }, 0);
    const acknowledge = (mspId: string, role = 'proxy') => stage.testbed.region(HOME, mspId, role).acknowledge(grantId);
    expect(await refusal(acknowledge('HospitalA2'))).toBe('PROXY_UNKNOWN');
    expect(await refusal(acknowledge('CommissionA', 'relay'))).toBe('ROLE_REQUIRED');
    expect(await refusal(stage.testbed.region(HOME, 'CommissionA', 'proxy').acknowledge(random(32)))).toBe(
      'GRANT_UNKNOWN',
    );
    await acknowledge('CommissionA');
    await acknowledge('CommissionA');
    expect((await stage.relay().grantEntry(grantId)).acknowledgedBy).toEqual(['CommissionA']);
    await stage.relay().revoke(stage.revocation(patient, grantId));
    expect(await refusal(acknowledge('HospitalA1'))).toBe('REVOKED');
  });

  test('cannot come after its revocation', async () => {
    const grant = stage.grantDocument(patient, doctor);
    const grantId = documentId(Grant.type, grant.document);
    await stage.relay().revoke(stage.revocation(patient, grantId));
    expect(await refusal(submit(grant))).toBe('REVOKED');
  });

  test('beyond sixty-four in force is refused, and ended ones make room', async () => {
    const crowded = await stage.patient();
    const colleague = await stage.doctor();
    const ids: string[] = [];
    for (let count = 0; count < 64; count += 1) ids.push(await stage.grant(crowded, colleague, {}, 0));
    const another = stage.grantDocument(crowded, colleague);
    const bring = () => stage.relay().grant(another, colleague.keyCertificate, colleague.registration);
    expect(await refusal(bring())).toBe('GRANTS_TOO_MANY');
    await stage.relay().revoke(stage.revocation(crowded, ids[0] ?? ''));
    await bring();
    const listed = await stage.relay().grants(crowded.pseudonym);
    expect(listed.map(({ grantId }) => grantId).sort()).toEqual(
      [...ids, documentId(Grant.type, another.document)].sort(),
    );
  });
});

describe('a revocation', () => {
  test('is the patient’s, for their own grant, and may come from anybody and again', async () => {
    const grantId = await stage.grant(patient, doctor);
    const other = await stage.patient();
    expect(await refusal(stage.relay().revoke(stage.revocation(other, grantId)))).toBe('GRANT_MISMATCH');
    const forged = stage.revocation({ ...patient, signer: other.signer }, grantId);
    expect(await refusal(stage.relay().revoke(forged))).toBe('SIGNATURE_MISSING');
    await stage.testbed.region(HOME, 'AuditorA', 'practitioner').revoke(stage.revocation(patient, grantId));
    const { revokedAt } = await stage.relay().grantEntry(grantId);
    await stage.relay().revoke(stage.revocation(patient, grantId));
    expect((await stage.relay().grantEntry(grantId)).revokedAt).toBe(revokedAt);
    const { outcome } = await stage.decide(doctor, stage.request(doctor, { pseudonym: patient.pseudonym }));
    expect(reasons(outcome)).not.toContain('permitted');
  });

  test('is followed by a destruction receipt of each proxy, and none comes before', async () => {
    const grantId = await stage.grant(patient, doctor);
    const entry = await stage.relay().grantEntry(grantId);
    const member = stage.testbed.member('HospitalA1', 'proxy');
    const commitment = entry.grant.proxies.find(({ mspId }) => mspId === 'HospitalA1')?.commitment ?? '';
    const receipt = (change: Partial<DestructionReceipt> = {}, signer = member) =>
      signDocument(
        DestructionReceipt,
        {
          federation: stage.federation,
          region: HOME,
          grantId,
          mspId: 'HospitalA1',
          commitment,
          destroyedAt: Date.now(),
          ...change,
        },
        [signer],
      );
    const chain = stage.testbed.region(HOME, 'HospitalA1', 'proxy');
    expect(await refusal(chain.destroyed(receipt()))).toBe('NOT_REVOKED');
    await stage.relay().revoke(stage.revocation(patient, grantId));
    expect(await refusal(chain.destroyed(receipt({ commitment: random(32) })))).toBe('RECEIPT_MISMATCH');
    expect(await refusal(chain.destroyed(receipt({ mspId: 'CommissionA' })))).toBe('RECEIPT_MISMATCH');
    expect(await refusal(chain.destroyed(receipt({}, stage.testbed.member('HospitalA1', 'relay'))))).toBe(
      'ROLE_REQUIRED',
    );
    await chain.destroyed(receipt());
    await chain.destroyed(receipt());
    expect((await stage.relay().grantEntry(grantId)).destroyed).toHaveLength(1);
  });
});

describe('a grant that ended', () => {
  test('is destroyed like a revoked one, and not acknowledged again', async () => {
    const grantId = await stage.grant(patient, doctor, {}, 1);
    const { grant } = await stage.relay().grantEntry(grantId);
    const chain = stage.testbed.region(HOME, 'CommissionA', 'proxy');
    const commitment = grant.proxies.find(({ mspId }) => mspId === 'CommissionA')?.commitment ?? '';
    vi.useFakeTimers({ toFake: ['Date'], now: grant.notAfter + 1000 });
    const { federation } = stage;
    const receipt = { federation, region: HOME, grantId, mspId: 'CommissionA', commitment, destroyedAt: Date.now() };
    const signed = signDocument(DestructionReceipt, receipt, [stage.testbed.member('CommissionA', 'proxy')]);
    await chain.destroyed(signed);
    expect(await refusal(chain.acknowledge(grantId))).toBe('DESTROYED');
    vi.useRealTimers();
  });
});

describe('a record', () => {
  test('is published by the hospital that signed it, under the patient’s current key', async () => {
    const publish = (change: Parameters<Stage['record']>[1], signer?: Parameters<Stage['record']>[2]) =>
      stage.hospital().publish(stage.record(patient, change, signer));
    expect(await refusal(publish({ custodian: 'HospitalA2' }))).toBe('CUSTODY_MISMATCH');
    const proxy = stage.testbed.member('HospitalA1', 'proxy');
    expect(await refusal(publish({}, proxy))).toBe('ROLE_REQUIRED');
    expect(await refusal(publish({}, stage.testbed.member('HospitalA2', 'hospital')))).toBe('SIGNER_UNTRUSTED');
    expect(await refusal(publish({ pseudonym: random(32) }))).toBe('PATIENT_UNKNOWN');
    expect(await refusal(publish({ scope: 'astrology' }))).toBe('SCOPE_UNBOUND');
    expect(await refusal(publish({ epoch: 2 }))).toBe('EPOCH');
    expect(await refusal(publish({ header: 'A'.repeat(246) }))).toBe('HEADER_INVALID');
    expect(await refusal(publish({ region: ELSEWHERE }))).toBe('REGION_MISMATCH');
    const recordId = await stage.publish(patient);
    expect(await refusal(publish({ recordId }))).toBe('RECORD_EXISTS');
    expect((await stage.relay().record(recordId)).document.recordId).toBe(recordId);
    expect(await refusal(stage.relay().record(random(16)))).toBe('RECORD_UNKNOWN');
  });

  test('of an old epoch is not released until its custodian replaces the header', async () => {
    const rotating = await stage.patient();
    const records = [await stage.publish(rotating), await stage.publish(rotating)] as const;
    const first = await stage.grant(rotating, doctor);
    const ask = async () => (await stage.decide(doctor, stage.request(doctor, rotating))).outcome;
    expect((await ask()).release?.records.map(({ recordId }) => recordId).sort()).toEqual([...records].sort());

    await stage.hospital().bind(stage.scopeKey(rotating, { epoch: 2 }));
    expect(reasons(await ask())).toEqual(['EPOCH']);
    await stage.relay().revoke(stage.revocation(rotating, first));
    await stage.grant(rotating, doctor, { scopes: [{ scope: 'laboratory', epoch: 2 }] });
    expect(await ask()).toMatchObject({ outcome: 'absent', patientKnown: true });

    const rewrap = stage.rewrap(rotating, records[0]);
    await stage.hospital().rewrap(rewrap);
    await stage.hospital().rewrap(rewrap);
    const outcome = await ask();
    expect(outcome.scopes).toMatchObject([{ permitted: true, epoch: 2 }]);
    expect(outcome.release?.records.map(({ recordId }) => recordId)).toEqual([records[0]]);
    const headers = await stage.relay().headers(records);
    expect(headers).toMatchObject([{ epoch: 2, header: rewrap.document.header }, { epoch: 1 }]);
  });

  test('has its header replaced by its custodian alone, for the current epoch, once', async () => {
    const rotating = await stage.patient();
    const recordId = await stage.publish(rotating);
    const rewrap = (change: Parameters<Stage['rewrap']>[2] = {}, id = recordId) =>
      stage.hospital().rewrap(stage.rewrap(rotating, id, change));
    expect(await refusal(rewrap())).toBe('EPOCH');
    await stage.hospital().bind(stage.scopeKey(rotating, { epoch: 2 }));
    expect(await refusal(rewrap({ epoch: 3 }))).toBe('EPOCH');
    expect(await refusal(rewrap({ header: 'A'.repeat(246) }))).toBe('HEADER_INVALID');
    expect(await refusal(rewrap({}, random(16)))).toBe('RECORD_UNKNOWN');
    const other = stage.testbed.region(HOME, 'HospitalA2', 'hospital');
    expect(await refusal(other.rewrap(stage.rewrap(rotating, recordId)))).toBe('CUSTODY_MISMATCH');
    await rewrap();
    expect(await refusal(rewrap())).toBe('EPOCH');
  });
});

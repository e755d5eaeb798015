import { createSigner, type LedgerError } from '@yilian/ledger';
import { verifyOutcome } from '@yilian/ledger/verify';
import { SecretKey } from '@yilian/pre';
import { documentId, KeyCertificate, parseOutcome, Request, ROLE_ATTRIBUTE } from '@yilian/protocol';
import { RegionalChain } from '@yilian/regional-chain';
import type { Member } from '@yilian/testbed';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { ELSEWHERE, HOME, HOUR_MS, refusal, Stage, type StageDoctor, type StagePatient } from './stage.ts';

let stage: Stage;
let patient: StagePatient;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
  patient = await stage.patient();
  await stage.publish(patient);
});
afterEach(() => vi.useRealTimers());
afterAll(() => stage[Symbol.asyncDispose]());

const travel = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
const idOf = (request: ReturnType<Stage['request']>) => documentId(Request.type, request.document);

/** Asks in the doctor's region, decides at home when `meanwhile` is over, and returns what the proof of that proves. */
async function proven(doctor: StageDoctor, meanwhile: () => unknown = () => undefined) {
  const request = stage.request(doctor, patient);
  await stage.relay(ELSEWHERE).ask(request, [HOME]);
  await meanwhile();
  const { proof } = await stage.decide(doctor, request);
  const outcomeProof = await proof();
  await stage.relay(ELSEWHERE).mirrorOutcomes([outcomeProof]);
  const { legs } = await stage.relay(ELSEWHERE).request(idOf(request));
  const verified = verifyOutcome(
    outcomeProof,
    [stage.testbed.trust(HOME)],
    { function: 'Requests:decide' },
    Date.now(),
  );
  const { outcome, scopes } = parseOutcome(JSON.parse(new TextDecoder().decode(verified.payload)));
  return { legs: legs.map((leg) => `${leg.region} ${leg.outcome}`), outcome, scopes };
}

const denied = (reason: string) => ({
  legs: [`${HOME} denied`],
  outcome: 'denied',
  scopes: [{ scope: 'laboratory', permitted: false, reason }],
});

describe('a key certificate', () => {
  test('that ended between grant and request is denied, with proof on both chains', async () => {
    const brief = await stage.doctor(ELSEWHERE, { notAfter: Date.now() + 60_000 });
    await stage.grant(patient, brief);
    expect(await proven(brief)).toMatchObject({ legs: [`${HOME} released`], outcome: 'released' });
    expect(await proven(brief, () => travel(61_000))).toEqual(denied('CERTIFICATE_INVALID'));
    const late = stage.request(brief, patient);
    expect(await refusal(stage.relay(ELSEWHERE).ask(late, [HOME]))).toBe('CERTIFICATE_INVALID');
    const { signatures } = stage.request(brief, patient);
    expect(await refusal(stage.decide(brief, { ...late, signatures }))).toBe('SIGNATURE_INVALID');
  });

  test('whose X.509 certificate was revoked between grant and request is denied, with proof on both chains', async () => {
    const { testbed } = stage;
    const doctor = await stage.doctor();
    await stage.grant(patient, doctor);
    expect(await proven(doctor)).toMatchObject({ outcome: 'released' });
    const authority = testbed.authority('HospitalB1');
    const revoke = async () => {
      authority.revoke(doctor.member.certificate);
      const { trusts } = await stage.entry(ELSEWHERE);
      const revoked = trusts.map((trust) => ({
        ...trust,
        organisations: trust.organisations.map((organisation) =>
          organisation.mspId === 'HospitalB1' ? { ...organisation, crls: [authority.crl()] } : organisation,
        ),
      }));
      await stage.register(ELSEWHERE, { trusts: revoked });
    };
    expect(await proven(doctor, revoke)).toEqual(denied('CERTIFICATE_INVALID'));
    const late = stage.request(doctor, patient);
    expect(await refusal(stage.relay(ELSEWHERE).ask(late, [HOME]))).toBe('CERTIFICATE_INVALID');
    const forged = stage.request(doctor, patient, {}, testbed.member('HospitalB1', 'practitioner', 'another'));
    expect(await refusal(stage.decide(doctor, forged))).toBe('CERTIFICATE_MISMATCH');
  });

  test('that is not valid yet can be granted to, and opens nothing before its time', async () => {
    const at = Date.now();
    const early = await stage.doctor(ELSEWHERE, { notBefore: at + HOUR_MS, notAfter: at + 24 * HOUR_MS });
    await stage.grant(patient, early, { notAfter: at + 3 * HOUR_MS });
    const ask = stage.relay(ELSEWHERE).ask(stage.request(early, patient), [HOME]);
    expect(await refusal(ask)).toBe('CERTIFICATE_INVALID');
    const { outcome } = await stage.decide(early, stage.request(early, patient));
    expect(outcome).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'CERTIFICATE_INVALID' }] });
    travel(HOUR_MS + 1000);
    expect(await proven(early)).toMatchObject({ legs: [`${HOME} released`], outcome: 'released' });
  });

  test('that is over is granted nothing, although its registration is proven', async () => {
    const brief = await stage.doctor(ELSEWHERE, { notAfter: Date.now() + 60_000 });
    travel(61_000);
    const grant = stage.grantDocument(patient, brief);
    expect(await refusal(stage.relay().grant(grant, brief.keyCertificate, brief.registration))).toBe('PERIOD_INVALID');
  });
});

describe('a grant', () => {
  test('does not permit before its period nor after it, with proof on both chains', async () => {
    const doctor = await stage.doctor();
    const at = Date.now();
    await stage.grant(patient, doctor, { notBefore: at + HOUR_MS, notAfter: at + 2 * HOUR_MS });
    expect(await proven(doctor)).toEqual(denied('PERIOD'));
    travel(HOUR_MS + 1000);
    expect(await proven(doctor)).toMatchObject({ legs: [`${HOME} released`], outcome: 'released' });
    travel(HOUR_MS + 1000);
    expect(await proven(doctor)).toEqual(denied('PERIOD'));
  });
});

describe('an X.509 certificate', () => {
  const at = Date.now();
  const periods = {
    'not valid yet': { notBefore: at + HOUR_MS, notAfter: at + 2 * HOUR_MS },
    expired: { notBefore: at - HOUR_MS, notAfter: at - 1 },
  };
  const issued = (mspId: string, role: string, period: { notBefore: number; notAfter: number }): Member => {
    const attributes = { [ROLE_ATTRIBUTE]: role };
    const credential = stage.testbed
      .authority(mspId)
      .issue({ commonName: role, role: 'client', attributes, ...period });
    return { mspId, ...credential, sign: createSigner(credential.privateKey) };
  };

  test.each(Object.entries(periods))('that is %s submits nothing and reads nothing', async (_, period) => {
    const { testbed } = stage;
    const member = issued('HospitalA1', 'hospital', period);
    const connection = testbed.connection(HOME, member, await testbed.listen(HOME));
    const chain = new RegionalChain(connection, HOME);
    const height = testbed.node(HOME).height();
    const denial = (stageOf: LedgerError['stage']) => ({ name: 'LedgerError', code: 'REJECTED', stage: stageOf });
    await expect(chain.publish(stage.record(patient))).rejects.toMatchObject(denial('endorse'));
    await expect(chain.proxies()).rejects.toMatchObject(denial('evaluate'));
    expect(testbed.node(HOME).height()).toBe(height);
  });

  test.each(Object.entries(periods))('that is %s signs no document', async (_, period) => {
    const hospital = issued('HospitalA1', 'hospital', period);
    expect(await refusal(stage.hospital().publish(stage.record(patient, {}, hospital)))).toBe('SIGNER_UNTRUSTED');
    const proxy = issued('HospitalA1', 'proxy', period);
    const chain = stage.testbed.region(HOME, 'HospitalA1', 'proxy');
    expect(await refusal(chain.registerProxy(stage.proxyKey(proxy)))).toBe('SIGNER_UNTRUSTED');
    const vouched = stage.patientKey(stage.newKeys(), {}, { vouching: hospital });
    expect(await refusal(stage.testbed.main().registerPatient(vouched))).toBe('SIGNER_UNTRUSTED');
    const practitioner = issued('HospitalB1', 'practitioner', period);
    const keyCertificate = stage.keyCertificate(practitioner, SecretKey.random());
    expect(await refusal(stage.hospital(ELSEWHERE).registerPractitioner(keyCertificate))).toBe('SIGNER_UNTRUSTED');
    const id = documentId(KeyCertificate.type, keyCertificate.document);
    const asking = { ...(await stage.doctor()), id, member: practitioner, keyCertificate };
    expect(await refusal(stage.decide(asking, stage.request(asking, patient)))).toBe('SIGNER_UNTRUSTED');
  });
});

import { LedgerError, submit } from '@yilian/ledger';
import { CHAINCODE as MAIN } from '@yilian/main-chain';
import {
  ConsentDenial,
  canonicalJson,
  DestructionReceipt,
  documentId,
  Grant,
  Request,
  signDocument,
} from '@yilian/protocol';
import { CHAINCODE as REGIONAL } from '@yilian/regional-chain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ELSEWHERE, HOME, payload, random, Stage, type StageDoctor, type StagePatient } from './stage.ts';

/** One organisation holds all of its keys, every role's, and has only its own peer endorse what it writes. */
let stage: Stage;
let doctor: StageDoctor;
let patient: StagePatient;
let grantId: string;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
  doctor = await stage.doctor();
  patient = await stage.patient();
  await stage.publish(patient);
  grantId = await stage.grant(patient, doctor, {}, 1);
});
afterAll(() => stage[Symbol.asyncDispose]());

async function alone(
  network: string,
  mspId: string,
  role: string,
  name: string,
  args: readonly unknown[],
): Promise<string> {
  const chaincode = network === 'main' ? MAIN : REGIONAL;
  const contract = stage.testbed.connection(network, stage.testbed.member(mspId, role)).contract(network, chaincode);
  const texts = args.map((value) => (typeof value === 'string' ? value : canonicalJson(value)));
  try {
    await submit(contract, name, texts, { organisations: [mspId], retries: 0 });
  } catch (error) {
    if (error instanceof LedgerError) return error.contractCode ?? error.code;
    throw error;
  }
  return 'accepted';
}

describe('one organisation of a region', () => {
  const write = (role: string, name: string, ...args: unknown[]) => alone(HOME, 'HospitalA1', role, name, args);

  test('cannot write anything alone, however valid it is', async () => {
    const { testbed } = stage;
    const signer = patient.signer;
    const own = await stage.doctor(HOME);
    const waits = stage.request(doctor, await stage.patient(), { waitForConsent: true });
    const waiting = stage.request(own, patient, { waitForConsent: true });
    await stage.relay().decide(waiting, undefined, undefined, [HOME]);
    const height = await stage.mainHeight();
    const decided = stage.request(own, patient);
    const released = await stage.grant(patient, own);
    const opened = await stage.relay().decide(decided, undefined, undefined, [HOME]);
    const revoked = await stage.grant(patient, doctor, {}, 0);
    await stage.relay().revoke(stage.revocation(patient, revoked));
    const { grant } = await stage.relay().grantEntry(revoked);
    const { federation } = stage;
    const newcomer = stage.patientKey(stage.newKeys());
    const registered = await testbed.prove('main', await testbed.main().registerPatient(newcomer));
    const denial = {
      federation,
      region: HOME,
      pseudonym: patient.pseudonym,
      requestId: documentId(Request.type, waiting.document),
      signedAt: Date.now(),
    };
    const asked = stage.request(own, patient);
    await stage.relay().ask(asked, [ELSEWHERE]);
    const answered = await stage.relay(ELSEWHERE).decide(asked, own.keyCertificate, height);
    const nobody = stage.request(own, { pseudonym: random(32) });
    await stage.relay().ask(nobody, []);
    const nobodyId = documentId(Request.type, nobody.document);
    const absent = await testbed.main().declareAbsent(nobody.document.pseudonym, nobodyId);
    const fresh = stage.record(patient);
    await stage.publish(await stage.patient());
    const member = testbed.member('HospitalA1', 'practitioner', 'somebody');
    const grantDocument = stage.grantDocument(patient, doctor);
    const destruction = {
      federation,
      region: HOME,
      grantId: revoked,
      mspId: 'HospitalA1',
      commitment: grant.proxies.find(({ mspId }) => mspId === 'HospitalA1')?.commitment ?? '',
      destroyedAt: Date.now(),
    };
    const { SecretKey } = await import('@yilian/pre');
    const attempts: [role: string, name: string, ...args: unknown[]][] = [
      ['hospital', 'Practitioners:register', stage.keyCertificate(member, SecretKey.random(), { region: HOME })],
      ['hospital', 'Patients:enrol', newcomer, registered],
      ['hospital', 'Patients:bind', stage.scopeKey(patient, { scope: 'imaging' })],
      ['relay', 'Patients:announce', patient.pseudonym],
      ['hospital', 'Records:publish', fresh],
      ['proxy', 'Grants:proxy', stage.proxyKey(testbed.member('HospitalA1', 'proxy'))],
      ['proxy', 'Grants:grant', grantDocument, doctor.keyCertificate, doctor.registration],
      ['proxy', 'Grants:acknowledge', grantId],
      ['proxy', 'Grants:revoke', stage.revocation(patient, released)],
      [
        'proxy',
        'Grants:destroyed',
        signDocument(DestructionReceipt, destruction, [testbed.member('HospitalA1', 'proxy')]),
      ],
      ['relay', 'Requests:ask', stage.request(own, patient), [ELSEWHERE]],
      ['relay', 'Requests:decide', waits, doctor.keyCertificate, height, []],
      ['relay', 'Requests:decline', signDocument(ConsentDenial, denial, [signer])],
      ['relay', 'Requests:mirror', [await testbed.prove(ELSEWHERE, answered)]],
      ['relay', 'Requests:absent', nobodyId, await testbed.prove('main', absent)],
      ['relay', 'Requests:opened', [stage.receipt(own, payload(opened), opened)]],
    ];
    const verdicts = [];
    for (const [role, name, ...args] of attempts) verdicts.push([name, await write(role, name, ...args)]);
    expect(verdicts).toEqual(attempts.map(([, name]) => [name, 'ENDORSEMENT_POLICY_FAILURE']));
    expect(await stage.relay().grantEntry(released)).not.toHaveProperty('revokedAt');
    expect((await stage.relay().grantEntry(grantId)).acknowledgedBy).toEqual(['CommissionA']);
  });

  test('is refused by its own peer where its certificate lacks the role', async () => {
    expect(await write('practitioner', 'Records:publish', stage.record(patient))).toBe('ROLE_REQUIRED');
    expect(await write('proxy', 'Federation:mirror', {})).toBe('ROLE_REQUIRED');
    expect(await write('hospital', 'Requests:opened', [])).toBe('ROLE_REQUIRED');
    expect(await write('relay', 'Requests:fail', random(32), HOME)).toBe('REQUEST_UNKNOWN');
    expect(await write('admin', 'Federation:found', HOME, stage.testbed.genesis)).toBe('FOUNDED');
  });

  test('of another region can write nothing here', async () => {
    const stranger = stage.testbed.member('CommissionB', 'relay');
    const connection = stage.testbed.connection(HOME, stranger);
    const request = stage.request(doctor, patient);
    const call = submit(connection.contract(HOME, REGIONAL), 'Requests:ask', [canonicalJson(request), '[]'], {
      retries: 0,
    });
    await expect(call).rejects.toMatchObject({ name: 'LedgerError' });
  });
});

describe('one authority of the main chain', () => {
  const write = (role: string, name: string, ...args: unknown[]) => alone('main', 'Authority1', role, name, args);

  test('cannot write anything alone, however valid it is', async () => {
    const { testbed } = stage;
    const [entry] = (await testbed.main().regions()).map((state) => state.entry);
    const announced = await testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
    const attempts: [role: string, name: string, ...args: unknown[]][] = [
      ['admin', 'Registry:approve', { kind: 'region', entry: { ...entry, version: 2 } }],
      ['relay', 'Patients:register', stage.patientKey(stage.newKeys())],
      ['relay', 'Index:add', announced],
      ['relay', 'Index:absent', random(32), random(32)],
    ];
    const verdicts = [];
    for (const [role, name, ...args] of attempts) verdicts.push([name, await write(role, name, ...args)]);
    expect(verdicts).toEqual(attempts.map(([, name]) => [name, 'ENDORSEMENT_POLICY_FAILURE']));
    expect(await testbed.main().lookup(patient.pseudonym)).toEqual([]);
  });

  test('and a grant’s id is no other document’s', () => {
    expect(documentId(Grant.type, {})).not.toBe(documentId(Request.type, {}));
  });
});

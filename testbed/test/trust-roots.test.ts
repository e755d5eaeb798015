import { createAuthority, createSigner } from '@yilian/ledger';
import { verifyOutcome } from '@yilian/ledger/verify';
import { SecretKey } from '@yilian/pre';
import { documentId, KeyCertificate, ROLE_ATTRIBUTE, type Trust } from '@yilian/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { ELSEWHERE, HOME, HOUR_MS, payload, random, refusal, Stage } from './stage.ts';

let stage: Stage;
const open = async () => {
  stage = await Stage.open();
};
const close = () => stage[Symbol.asyncDispose]();
afterEach(() => vi.useRealTimers());

const propose = (change: Parameters<Stage['testbed']['approve']>[0], mspId = 'Authority1') =>
  stage.testbed.main(mspId, 'admin').approve(change);
const travel = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

describe('the authorities’ trust roots', () => {
  beforeAll(open);
  afterAll(close);

  test('are rotated with an overlap: both count until it is over, then the new ones alone', async () => {
    const { testbed } = stage;
    const [old] = (await testbed.main().foundation()).main;
    if (old === undefined) throw new Error('no trust');
    const overlapUntil = Date.now() + HOUR_MS;
    const before = await testbed.prove('main', await testbed.main().declareAbsent(random(32), random(32)));
    const next: Trust = { ...old, version: 2, validFrom: Date.now() - 1000 };
    const proof = await testbed.change({ kind: 'main', entry: next, overlapUntil });
    const { main, rotations, changedIn } = await testbed.main().foundation();
    expect(main).toEqual([next, { ...old, validUntil: overlapUntil }]);
    const verified = verifyOutcome(proof, [old], {});
    expect(rotations).toEqual([{ version: 2, transactionId: verified.transactionId }]);
    expect(changedIn).toBe(verified.transactionId);
    expect((await stage.relay().foundation()).main).toEqual(main);

    const registering = async (version: number) => {
      const patientKey = stage.patientKey(stage.newKeys());
      const registered = await testbed.main().registerPatient(patientKey);
      return stage.hospital().enrol(patientKey, await testbed.prove('main', registered, version));
    };
    await registering(1);
    await registering(2);
    travel(HOUR_MS + 1000);
    expect(await refusal(registering(1))).toBe('TRUST_VERSION_EXPIRED');
    await registering(2);
    expect(await refusal(stage.relay().recordAbsence(random(32), before))).toBe('TRUST_VERSION_EXPIRED');
  });

  test('end at once when the overlap is in the past', async () => {
    const { testbed } = stage;
    const [old] = (await testbed.main().foundation()).main;
    if (old === undefined) throw new Error('no trust');
    await testbed.change({ kind: 'main', entry: { ...old, version: old.version + 1 }, overlapUntil: Date.now() });
    const patientKey = stage.patientKey(stage.newKeys());
    const registered = await testbed.main().registerPatient(patientKey);
    const stale = await testbed.prove('main', registered, 1);
    expect(await refusal(stage.hospital().enrol(patientKey, stale))).toBe('TRUST_VERSION_EXPIRED');
    expect(await refusal(testbed.main('Authority1', 'admin').approve({ kind: 'main', entry: old }))).toBe(
      'VERSION_CONFLICT',
    );
  });

  test('take the vote from an authority that left', async () => {
    const { testbed } = stage;
    const [old] = (await testbed.main().foundation()).main;
    if (old === undefined) throw new Error('no trust');
    const three = ['Authority1', 'Authority2', 'Authority3'];
    const policy = (role: string) => `OutOf(2, ${three.map((mspId) => `'${mspId}.${role}'`).join(', ')})`;
    const organisations = old.organisations.filter(({ mspId }) => three.includes(mspId));
    const entry = {
      ...old,
      version: old.version + 1,
      organisations,
      endorsement: policy('peer'),
      attestation: policy('client'),
    };
    for (const mspId of three.slice(1)) await propose({ kind: 'main', entry }, mspId);
    await propose({ kind: 'main', entry });
    const region = await stage.nextEntry(HOME);
    expect(await refusal(propose({ kind: 'region', entry: region }, 'Authority4'))).toBe('AUTHORITY_UNKNOWN');
    await propose({ kind: 'region', entry: region });
    expect(payload<object>(await propose({ kind: 'region', entry: region }, 'Authority2'))).toMatchObject({
      applied: true,
    });
  });
});

describe('a region’s trust roots', () => {
  beforeAll(open);
  afterAll(close);

  /** A second certificate authority of HospitalB1, and what it certifies. */
  const renewed = () => {
    const authority = createAuthority({ mspId: 'HospitalB1', organisation: 'embedded' });
    const credential = authority.issue({
      commonName: 'new',
      role: 'client',
      attributes: { [ROLE_ATTRIBUTE]: 'practitioner' },
    });
    return { authority, member: { mspId: 'HospitalB1', ...credential, sign: createSigner(credential.privateKey) } };
  };

  test('are rotated with an overlap in which certificates of both authorities ask', async () => {
    const { member, authority } = renewed();
    const old = await stage.doctor();
    const entry = await stage.entry(ELSEWHERE);
    const [trust] = entry.trusts;
    if (trust === undefined) throw new Error('no trust');
    const organisations = trust.organisations.map((organisation) =>
      organisation.mspId === 'HospitalB1' ? { mspId: 'HospitalB1', roots: [authority.rootPem] } : organisation,
    );
    const until = Date.now() + HOUR_MS;
    const trusts = [
      { ...trust, version: 2, organisations },
      { ...trust, validUntil: until },
    ];
    const secret = SecretKey.random();
    const keyCertificate = stage.keyCertificate(member, secret);
    const patient = await stage.patient();
    const ask = async (who: typeof member, certificate: typeof keyCertificate) => {
      const id = documentId(KeyCertificate.type, certificate.document);
      const asking = { ...old, id, member: who, keyCertificate: certificate };
      const height = await stage.mainHeight();
      return stage.relay().decide(stage.request(asking, patient), certificate, height);
    };
    expect(await refusal(ask(member, keyCertificate))).toBe('SIGNER_UNTRUSTED');
    await stage.register(ELSEWHERE, { trusts });
    expect(payload(await ask(member, keyCertificate))).toMatchObject({ scopes: [{ reason: 'NO_GRANT' }] });
    expect(payload(await ask(old.member, old.keyCertificate))).toMatchObject({ scopes: [{ reason: 'NO_GRANT' }] });
    travel(HOUR_MS + 1000);
    expect(payload(await ask(member, keyCertificate))).toMatchObject({ scopes: [{ reason: 'NO_GRANT' }] });
    expect(await refusal(ask(old.member, old.keyCertificate))).toBe('SIGNER_UNTRUSTED');
  });
});

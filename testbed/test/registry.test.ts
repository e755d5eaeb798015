import { createAuthority, createSigner, LedgerError } from '@yilian/ledger';
import { verifyOutcome } from '@yilian/ledger/verify';
import { SecretKey } from '@yilian/pre';
import {
  Checkpoint,
  consistencyProof,
  documentId,
  KeyCertificate,
  merkleRoot,
  type RegionEntry,
  ROLE_ATTRIBUTE,
  signDocument,
  type Trust,
  toBase64url,
} from '@yilian/protocol';
import { Testbed } from '@yilian/testbed';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ELSEWHERE, HOME, HOUR_MS, payload, random, refusal, Stage } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(async () => {
  vi.useRealTimers();
  await stage[Symbol.asyncDispose]();
});

const entryOf = async (region: string): Promise<RegionEntry> => {
  const found = (await stage.testbed.main().regions()).find(({ entry }) => entry.region === region);
  if (found === undefined) throw new Error('no such region');
  return found.entry;
};
const propose = (change: Parameters<Stage['testbed']['approve']>[0], mspId = 'Authority1') =>
  stage.testbed.main(mspId, 'admin').approve(change);
const travel = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

describe('the registry', () => {
  test('applies what a majority of the authorities approved, and nothing before', async () => {
    const entry = { ...(await entryOf(HOME)), version: 2, name: '上海' };
    const first = await propose({ kind: 'region', entry });
    await propose({ kind: 'region', entry });
    const second = await propose({ kind: 'region', entry }, 'Authority2');
    expect(payload<object>(first)).toEqual({ applied: false, approvals: ['Authority1'] });
    expect(payload<object>(second)).toEqual({ applied: false, approvals: ['Authority1', 'Authority2'] });
    expect((await entryOf(HOME)).version).toBe(1);
    const proof = await stage.testbed.prove('main', second);
    expect(await refusal(stage.relay().mirrorChange(proof))).toBe('NOT_APPLIED');
    const third = await propose({ kind: 'region', entry }, 'Authority3');
    expect(payload<object>(third)).toEqual({ applied: true, kind: 'region', entry });
    expect(await refusal(propose({ kind: 'region', entry }, 'Authority4'))).toBe('VERSION_CONFLICT');
  });

  test('refuses entries that nobody could rely on', async () => {
    const entry = { ...(await entryOf(HOME)), version: 2 };
    const [trust] = entry.trusts;
    if (trust === undefined) throw new Error('no trust');
    const region = (change: Partial<RegionEntry>) =>
      refusal(propose({ kind: 'region', entry: { ...entry, ...change } }));
    const withTrust = (change: Partial<Trust>) => region({ trusts: [{ ...trust, ...change }] });
    expect(await region({ version: 3 })).toBe('VERSION_CONFLICT');
    expect(await region({ federation: 'other' })).toBe('FEDERATION_MISMATCH');
    expect(await region({ region: 'main', version: 1 })).toBe('REGION_MISMATCH');
    expect(await withTrust({ network: ELSEWHERE })).toBe('REGION_MISMATCH');
    expect(await region({ trusts: [trust, trust] })).toBe('VERSION_CONFLICT');
    expect(await withTrust({ endorsement: 'anybody' })).toBe('POLICY_INVALID');
    expect(await withTrust({ attestation: "OR('CommissionB.client', 'CommissionA.client')" })).toBe('TRUST_INVALID');
    expect(await withTrust({ validFrom: 2, validUntil: 1 })).toBe('TRUST_INVALID');
    expect(await withTrust({ organisations: [...trust.organisations, ...trust.organisations] })).toBe('TRUST_INVALID');
    const [organisation] = trust.organisations;
    const leaf = stage.testbed.member('CommissionA', 'relay').certificate;
    const noRoot =
      organisation === undefined ? [] : [{ ...organisation, roots: [leaf] }, ...trust.organisations.slice(1)];
    expect(await withTrust({ organisations: noRoot })).toBe('TRUST_INVALID');
    expect(await refusal(propose({ kind: 'main', entry: trust }))).toBe('VERSION_CONFLICT');
    expect(await refusal(propose({ kind: 'main', entry: { ...trust, version: 2 } }))).toBe('REGION_MISMATCH');
    const scope = { scope: 'dental', title: 'Dental', titleZh: '口腔' };
    expect(await refusal(propose({ kind: 'scopes', entry: { version: 2, scopes: [scope, scope] } }))).toBe(
      'SCOPE_REPEATED',
    );
    expect(await refusal(propose({ kind: 'scopes', entry: { version: 1, scopes: [scope] } }))).toBe('VERSION_CONFLICT');
  });

  test('is founded once and changed by administrators of authorities only', async () => {
    const { testbed } = stage;
    expect(await refusal(testbed.main('Authority1', 'admin').found(testbed.genesis))).toBe('FOUNDED');
    expect(await refusal(stage.testbed.region(HOME, 'CommissionA', 'admin').found(HOME, testbed.genesis))).toBe(
      'FOUNDED',
    );
    const entry = { ...(await entryOf(HOME)), version: 2 };
    expect(await refusal(testbed.main('Authority1', 'relay').approve({ kind: 'region', entry }))).toBe('ROLE_REQUIRED');
  });
});

describe('the mirror of a region', () => {
  test('never goes back to an older entry', async () => {
    const { testbed } = stage;
    const [state] = await testbed.main().regions();
    if (state === undefined) throw new Error('no region');
    const { region } = state.entry;
    const older = await testbed.prove('main', state);
    await testbed.register({ ...state.entry, version: 2, frozen: true });
    const again = await stage.relay(ELSEWHERE).mirrorChange(older);
    expect(new TextDecoder().decode(again.result)).toBe('unchanged');
    expect((await stage.relay(ELSEWHERE).mirrorOf(region)).entry).toMatchObject({ version: 2, frozen: true });
  });
});

describe('chains that nobody founded', () => {
  test('do nothing until they are founded, and bind no scope until they mirror the list', async () => {
    await using testbed = await Testbed.unfounded([HOME]);
    await using bare = new Stage(testbed);
    const patientKey = bare.patientKey(bare.newKeys());
    expect(await refusal(testbed.main().registerPatient(patientKey))).toBe('NOT_FOUNDED');
    expect(
      await refusal(testbed.main('Authority1', 'admin').approve({ kind: 'region', entry: testbed.entry(HOME) })),
    ).toBe('NOT_FOUNDED');
    expect(await refusal(bare.relay().announce(random(32)))).toBe('NOT_FOUNDED');
    const administrator = testbed.region(HOME, 'CommissionA', 'admin');
    expect(await refusal(administrator.found('main', testbed.genesis))).toBe('REGION_MISMATCH');
    expect(await refusal(administrator.found('No region', testbed.genesis))).toBe('ARGUMENT_MALFORMED');
    expect(await refusal(bare.relay().found(HOME, testbed.genesis))).toBe('ROLE_REQUIRED');
    await testbed.main('Authority1', 'admin').found(testbed.genesis);
    await administrator.found(HOME, testbed.genesis);
    expect(await bare.relay().scopes()).toMatchObject({ version: 0, scopes: [] });
    expect(await testbed.main().scopeState()).toEqual({ version: 0, scopes: [], transactionId: '' });
    await testbed.register(testbed.entry(HOME));
    expect(await refusal(bare.patient(['laboratory']))).toBe('SCOPES_UNKNOWN');
  });
});

describe('the list of scopes', () => {
  test('reaches a region by proof of its change, and never goes back', async () => {
    const { testbed } = stage;
    const old = await testbed.main().scopeState();
    expect(old).toMatchObject({ version: 1, scopes: await testbed.main().scopes() });
    const oldProof = await testbed.prove('main', old);
    const dental = { scope: 'dental', title: 'Dental', titleZh: '口腔' };
    const patient = await stage.patient();
    expect(await refusal(stage.hospital().bind(stage.scopeKey(patient, { scope: 'dental' })))).toBe('SCOPE_UNKNOWN');
    await testbed.change({ kind: 'scopes', entry: { version: 2, scopes: [...old.scopes, dental] } });
    const mirrored = await stage.relay().scopes();
    expect(mirrored.version).toBe(2);
    expect(mirrored.mainHeight).toBeGreaterThan(0);
    await stage.hospital().bind(stage.scopeKey(patient, { scope: 'dental' }));
    const again = await stage.relay().mirrorChange(oldProof);
    expect(new TextDecoder().decode(again.result)).toBe('unchanged');
    expect((await stage.relay().scopes()).version).toBe(2);
  });
});

describe('the authorities’ trust roots', () => {
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

  test('take the vote from an authority that left', async () => {
    const { testbed } = stage;
    const [old] = (await testbed.main().foundation()).main;
    if (old === undefined) throw new Error('no trust');
    const three = ['Authority1', 'Authority2', 'Authority3'];
    const policy = (role: string) => `OutOf(2, ${three.map((mspId) => `'${mspId}.${role}'`).join(', ')})`;
    const organisations = old.organisations.filter(({ mspId }) => three.includes(mspId));
    const entry = { ...old, version: 2, organisations, endorsement: policy('peer'), attestation: policy('client') };
    await testbed.change({ kind: 'main', entry });
    const region = { ...(await entryOf(HOME)), version: 2 };
    expect(await refusal(propose({ kind: 'region', entry: region }, 'Authority4'))).toBe('AUTHORITY_UNKNOWN');
    await propose({ kind: 'region', entry: region });
    expect(payload<object>(await propose({ kind: 'region', entry: region }, 'Authority2'))).toMatchObject({
      applied: true,
    });
  });

  test('end at once when the overlap is in the past', async () => {
    const { testbed } = stage;
    const [old] = (await testbed.main().foundation()).main;
    if (old === undefined) throw new Error('no trust');
    await testbed.change({ kind: 'main', entry: { ...old, version: 2 }, overlapUntil: Date.now() });
    const patientKey = stage.patientKey(stage.newKeys());
    const registered = await testbed.main().registerPatient(patientKey);
    const stale = await testbed.prove('main', registered, 1);
    expect(await refusal(stage.hospital().enrol(patientKey, stale))).toBe('TRUST_VERSION_EXPIRED');
    expect(await refusal(testbed.main('Authority1', 'admin').approve({ kind: 'main', entry: old }))).toBe(
      'VERSION_CONFLICT',
    );
  });
});

describe('a region’s trust roots', () => {
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
    await stage.registerProxies();
    const { member, authority } = renewed();
    const old = await stage.doctor();
    const entry = await entryOf(ELSEWHERE);
    const [trust] = entry.trusts;
    if (trust === undefined) throw new Error('no trust');
    const organisations = trust.organisations.map((organisation) =>
      organisation.mspId === 'HospitalB1' ? { ...organisation, roots: [authority.rootPem] } : organisation,
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
    await stage.testbed.register({ ...entry, version: 2, trusts });
    expect(payload(await ask(member, keyCertificate))).toMatchObject({ scopes: [{ reason: 'NO_GRANT' }] });
    expect(payload(await ask(old.member, old.keyCertificate))).toMatchObject({ scopes: [{ reason: 'NO_GRANT' }] });
    travel(HOUR_MS + 1000);
    expect(payload(await ask(member, keyCertificate))).toMatchObject({ scopes: [{ reason: 'NO_GRANT' }] });
    expect(await refusal(ask(old.member, old.keyCertificate))).toBe('SIGNER_UNTRUSTED');
  });

  test('carry revocations, which deny from then on although a grant stands', async () => {
    const { testbed } = stage;
    await stage.registerProxies();
    const doctor = await stage.doctor();
    const patient = await stage.patient();
    await stage.publish(patient);
    await stage.grant(patient, doctor);
    expect((await stage.decide(doctor, stage.request(doctor, patient))).outcome.outcome).toBe('released');
    const authority = testbed.authority('HospitalB1');
    authority.revoke(doctor.member.certificate);
    const entry = await entryOf(ELSEWHERE);
    const trusts = entry.trusts.map((trust) => ({
      ...trust,
      organisations: trust.organisations.map((organisation) =>
        organisation.mspId === 'HospitalB1' ? { ...organisation, crls: [authority.crl()] } : organisation,
      ),
    }));
    await testbed.register({ ...entry, version: 2, trusts });
    const { outcome } = await stage.decide(doctor, stage.request(doctor, patient));
    expect(outcome).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'CERTIFICATE_INVALID' }] });
    const ask = stage.relay(ELSEWHERE).ask(stage.request(doctor, patient), [HOME]);
    expect(await refusal(ask)).toBe('CERTIFICATE_INVALID');
    const forged = stage.request(doctor, patient, {}, testbed.member('HospitalB1', 'practitioner', 'another'));
    const height = await stage.mainHeight();
    expect(await refusal(stage.relay().decide(forged, doctor.keyCertificate, height))).toBe('CERTIFICATE_MISMATCH');
  });
});

describe('a frozen region', () => {
  test('is denied elsewhere, and neither indexed, registered nor anchored', async () => {
    const { testbed } = stage;
    await stage.registerProxies();
    const doctor = await stage.doctor();
    const unknown = await stage.doctor();
    const patient = await stage.patient();
    await stage.publish(patient);
    await stage.grant(patient, doctor);
    await testbed.register({ ...(await entryOf(ELSEWHERE)), version: 2, frozen: true });
    const { outcome } = await stage.decide(doctor, stage.request(doctor, patient));
    expect(outcome).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'REGION_FROZEN' }] });
    const grant = stage.grantDocument(patient, unknown);
    expect(await refusal(stage.relay().grant(grant, unknown.keyCertificate, unknown.registration))).toBe(
      'REGION_FROZEN',
    );
    expect(await refusal(stage.patient(['laboratory'], ELSEWHERE))).toBe('REGION_FROZEN');
    const proof = await testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
    await testbed.main().addToIndex(proof);
    await testbed.register({ ...(await entryOf(HOME)), version: 2, frozen: true });
    expect(await refusal(testbed.main().addToIndex(proof))).toBe('REGION_FROZEN');
    await testbed.register({ ...(await entryOf(ELSEWHERE)), version: 3, frozen: false });
    expect((await stage.decide(doctor, stage.request(doctor, patient))).outcome.outcome).toBe('released');
  });

  test('goes on working inside', async () => {
    const own = await stage.doctor(HOME);
    const patient = await stage.patient();
    await stage.testbed.register({ ...(await entryOf(HOME)), version: 2, frozen: true });
    const committed = await stage.relay().decide(stage.request(own, patient), undefined, undefined, [HOME]);
    expect(payload(committed)).toMatchObject({ scopes: [{ reason: 'NO_GRANT' }] });
  });
});

describe('a checkpoint', () => {
  const leaves = Array.from({ length: 9 }, (_, index) => new Uint8Array(32).fill(index));
  const root = (size: number) => toBase64url(merkleRoot(leaves.slice(0, size)));
  const checkpoint = (change: Partial<Checkpoint> = {}, members = stage.proxyMembers().slice(0, 2)) =>
    signDocument(
      Checkpoint,
      { federation: stage.federation, region: HOME, size: 4, root: root(4), at: Date.now(), ...change },
      members,
    );
  const proof = (first: number, second: number) => consistencyProof(leaves.slice(0, second), first).map(toBase64url);

  test('extends the one before', async () => {
    const main = stage.testbed.main();
    await main.anchor(checkpoint(), []);
    expect(await refusal(main.anchor(checkpoint({ size: 9, root: root(8) }), proof(4, 9)))).toBe(
      'MERKLE_PROOF_INVALID',
    );
    expect(await refusal(main.anchor(checkpoint({ size: 9, root: root(9) }), []))).toBe('MERKLE_PROOF_INVALID');
    await main.anchor(checkpoint({ size: 9, root: root(9) }), proof(4, 9));
    await main.anchor(checkpoint(), []);
    expect((await main.checkpoint(HOME))?.document.size).toBe(9);
    expect(await main.checkpoint(ELSEWHERE)).toBeNull();
    expect(await refusal(main.checkpoint('No such'))).toBe('DOCUMENT_MALFORMED');
  });

  test('is signed by proxies that satisfy the region’s policy, recently, each counted once', async () => {
    const main = stage.testbed.main();
    const [first, second] = stage.proxyMembers();
    if (first === undefined || second === undefined) throw new Error('no proxies');
    const anchor = (...args: Parameters<typeof checkpoint>) => refusal(main.anchor(checkpoint(...args), []));
    expect(await anchor({}, [first])).toBe('ATTESTATION_POLICY');
    expect(await anchor({}, [first, first])).toBe('ATTESTATION_POLICY');
    expect(await anchor({}, [first, stage.testbed.member('HospitalA1', 'relay')])).toBe('ATTESTATION_POLICY');
    expect(await anchor({}, stage.proxyMembers(ELSEWHERE))).toBe('SIGNER_UNTRUSTED');
    expect(await anchor({ region: 'region-z' })).toBe('REGION_UNKNOWN');
    expect(await anchor({ federation: 'other' })).toBe('FEDERATION_MISMATCH');
    expect(await anchor({ at: Date.now() - 2 * HOUR_MS })).toBe('DOCUMENT_TOO_OLD');
    expect(await anchor({ at: Date.now() + 2 * HOUR_MS })).toBe('DOCUMENT_FROM_FUTURE');
  });

  test('with another root for a size freezes the region, and the change is mirrored like any other', async () => {
    const { testbed } = stage;
    const main = testbed.main();
    await main.anchor(checkpoint(), []);
    const other = checkpoint({ root: root(5) });
    const forked = await main.anchor(other, []);
    expect(payload<object>(forked)).toMatchObject({
      applied: true,
      kind: 'region',
      entry: { version: 2, frozen: true },
    });
    expect((await main.fork(HOME))?.second).toEqual(other);
    await stage.relay(ELSEWHERE).mirrorChange(await testbed.prove('main', forked));
    expect((await stage.relay(ELSEWHERE).mirrorOf(HOME)).entry.frozen).toBe(true);
    expect(await refusal(main.anchor(checkpoint({ size: 9, root: root(9) }), proof(4, 9)))).toBe('REGION_FROZEN');
  });
});

describe('the index', () => {
  test('takes a region’s own announcement by proof, and only that', async () => {
    const { testbed } = stage;
    const patient = await stage.patient();
    expect(await refusal(stage.relay().announce(patient.pseudonym))).toBe('NO_RECORDS');
    await stage.publish(patient);
    expect(await refusal(stage.relay().indexed([patient.pseudonym]))).toBe('NOT_ANNOUNCED');
    expect(await stage.relay().unindexed()).toEqual([patient.pseudonym]);
    const proof = await testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
    await testbed.main().addToIndex(proof);
    await testbed.main().addToIndex(proof);
    expect(await testbed.main().lookup(patient.pseudonym)).toEqual([HOME]);
    expect(await refusal(testbed.main().addToIndex({ ...proof, network: ELSEWHERE }))).toBe('NETWORK_MISMATCH');
    expect(await refusal(testbed.main().addToIndex({ ...proof, network: 'region-z' }))).toBe('REGION_UNKNOWN');
    const [attestation] = proof.attestations;
    const thin = { ...proof, attestations: attestation === undefined ? [] : [attestation] };
    expect(await refusal(testbed.main().addToIndex(thin))).toBe('ATTESTATION_POLICY');
    const doctor = await testbed.prove(
      ELSEWHERE,
      await stage.hospital(ELSEWHERE).registerPractitioner((await stage.doctor()).keyCertificate),
    );
    expect(await refusal(testbed.main().addToIndex(doctor))).toBe('FUNCTION_MISMATCH');
    await stage.relay().indexed([patient.pseudonym]);
    expect(await stage.relay().unindexed()).toEqual([]);
    expect(await refusal(testbed.main().declareAbsent(patient.pseudonym, random(32)))).toBe('INDEXED');
    expect(await refusal(testbed.main().declareAbsent('x', random(32)))).toBe('DOCUMENT_MALFORMED');
    expect(await refusal(testbed.main().lookup('x'))).toBe('DOCUMENT_MALFORMED');
  });

  test('never lets an addition and a statement of absence pass each other', async () => {
    const { testbed } = stage;
    for (let round = 0; round < 8; round += 1) {
      const patient = await stage.patient();
      await stage.publish(patient);
      const proof = await testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
      const absent = () => testbed.main().declareAbsent(patient.pseudonym, random(32));
      const [added, ...stated] = await Promise.allSettled([testbed.main().addToIndex(proof), absent(), absent()]);
      expect(added.status).toBe('fulfilled');
      const addedIn = added.status === 'fulfilled' ? added.value : undefined;
      for (const result of stated) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(LedgerError);
        else expect(result.value.blockNumber).toBeLessThanOrEqual(addedIn?.blockNumber ?? 0);
      }
    }
  });
});

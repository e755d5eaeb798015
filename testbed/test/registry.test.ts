import {
  Checkpoint,
  consistencyProof,
  merkleRoot,
  type RegionEntry,
  signDocument,
  type Trust,
  toBase64url,
} from '@yilian/protocol';
import { Testbed } from '@yilian/testbed';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  codeOf,
  ELSEWHERE,
  HOME,
  HOUR_MS,
  ordered,
  PHANTOM_READ_CONFLICT,
  payload,
  random,
  refusal,
  Stage,
  VALID,
} from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.registerProxies();
});
afterAll(() => stage[Symbol.asyncDispose]());

const propose = (change: Parameters<Stage['testbed']['approve']>[0], mspId = 'Authority1') =>
  stage.testbed.main(mspId, 'admin').approve(change);

describe('the registry', () => {
  test('applies what a majority of the authorities approved, and nothing before', async () => {
    const { version } = await stage.entry(HOME);
    const entry = { ...(await stage.entry(HOME)), version: version + 1, name: '上海' };
    const first = await propose({ kind: 'region', entry });
    await propose({ kind: 'region', entry });
    const second = await propose({ kind: 'region', entry }, 'Authority2');
    expect(payload<object>(first)).toEqual({ applied: false, approvals: ['Authority1'] });
    expect(payload<object>(second)).toEqual({ applied: false, approvals: ['Authority1', 'Authority2'] });
    expect((await stage.entry(HOME)).version).toBe(version);
    const proof = await stage.testbed.prove('main', second);
    expect(await refusal(stage.relay().mirrorChange(proof))).toBe('NOT_APPLIED');
    const third = await propose({ kind: 'region', entry }, 'Authority3');
    expect(payload<object>(third)).toEqual({ applied: true, kind: 'region', entry });
    expect(await refusal(propose({ kind: 'region', entry }, 'Authority4'))).toBe('VERSION_CONFLICT');
  });

  test('refuses entries that nobody could rely on', async () => {
    const entry = await stage.nextEntry(HOME);
    const [trust] = entry.trusts;
    if (trust === undefined) throw new Error('no trust');
    const region = (change: Partial<RegionEntry>) =>
      refusal(propose({ kind: 'region', entry: { ...entry, ...change } }));
    const withTrust = (change: Partial<Trust>) => region({ trusts: [{ ...trust, ...change }] });
    expect(await region({ version: entry.version + 1 })).toBe('VERSION_CONFLICT');
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
    const { version } = await stage.testbed.main().scopeState();
    const scope = { scope: 'dental', title: 'Dental', titleZh: '口腔' };
    expect(await refusal(propose({ kind: 'scopes', entry: { version: version + 1, scopes: [scope, scope] } }))).toBe(
      'SCOPE_REPEATED',
    );
    expect(await refusal(propose({ kind: 'scopes', entry: { version, scopes: [scope] } }))).toBe('VERSION_CONFLICT');
  });

  test('is founded once and changed by administrators of authorities only', async () => {
    const { testbed } = stage;
    expect(await refusal(testbed.main('Authority1', 'admin').found(testbed.genesis))).toBe('FOUNDED');
    expect(await refusal(stage.testbed.region(HOME, 'CommissionA', 'admin').found(HOME, testbed.genesis))).toBe(
      'FOUNDED',
    );
    const entry = await stage.nextEntry(HOME);
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
    await stage.register(region, { frozen: true });
    const again = await stage.relay(ELSEWHERE).mirrorChange(older);
    expect(new TextDecoder().decode(again.result)).toBe('unchanged');
    expect((await stage.relay(ELSEWHERE).mirrorOf(region)).entry).toEqual({
      ...state.entry,
      version: state.entry.version + 1,
      frozen: true,
    });
    await stage.register(region, { frozen: false });
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

describe('a frozen region', () => {
  afterEach(async () => {
    for (const region of stage.testbed.regions) await stage.register(region, { frozen: false });
  });

  test('is denied elsewhere, and neither indexed, registered nor anchored', async () => {
    const { testbed } = stage;
    const doctor = await stage.doctor();
    const unknown = await stage.doctor();
    const patient = await stage.patient();
    await stage.publish(patient);
    await stage.grant(patient, doctor);
    await stage.register(ELSEWHERE, { frozen: true });
    const { outcome } = await stage.decide(doctor, stage.request(doctor, patient));
    expect(outcome).toMatchObject({ outcome: 'denied', scopes: [{ reason: 'REGION_FROZEN' }] });
    const grant = stage.grantDocument(patient, unknown);
    expect(await refusal(stage.relay().grant(grant, unknown.keyCertificate, unknown.registration))).toBe(
      'REGION_FROZEN',
    );
    expect(await refusal(stage.patient(['laboratory'], ELSEWHERE))).toBe('REGION_FROZEN');
    const proof = await testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
    await testbed.main().addToIndex(proof);
    await stage.register(HOME, { frozen: true });
    expect(await refusal(testbed.main().addToIndex(proof))).toBe('REGION_FROZEN');
    await stage.register(ELSEWHERE, { frozen: false });
    expect((await stage.decide(doctor, stage.request(doctor, patient))).outcome.outcome).toBe('released');
  });

  test('goes on working inside', async () => {
    const own = await stage.doctor(HOME);
    const patient = await stage.patient();
    await stage.register(HOME, { frozen: true });
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
    const { version } = await stage.entry(ELSEWHERE);
    const elsewhere = (change: Partial<Checkpoint> = {}) =>
      checkpoint({ region: ELSEWHERE, ...change }, stage.proxyMembers(ELSEWHERE));
    await main.anchor(elsewhere(), []);
    const other = elsewhere({ root: root(5) });
    const forked = await main.anchor(other, []);
    expect(payload<object>(forked)).toMatchObject({
      applied: true,
      kind: 'region',
      entry: { version: version + 1, frozen: true },
    });
    expect((await main.fork(ELSEWHERE))?.second).toEqual(other);
    await stage.relay().mirrorChange(await testbed.prove('main', forked));
    expect((await stage.relay().mirrorOf(ELSEWHERE)).entry.frozen).toBe(true);
    expect(await refusal(main.anchor(elsewhere({ size: 9, root: root(9) }), proof(4, 9)))).toBe('REGION_FROZEN');
    await stage.register(ELSEWHERE, { frozen: false });
  });
});

describe('the index', () => {
  test('takes a region’s own announcement by proof, and only that', async () => {
    const { testbed } = stage;
    const patient = await stage.patient();
    expect(await refusal(stage.relay().announce(patient.pseudonym))).toBe('NO_RECORDS');
    await stage.publish(patient);
    expect(await refusal(stage.relay().indexed([patient.pseudonym]))).toBe('NOT_ANNOUNCED');
    expect(await stage.relay().unindexed()).toContain(patient.pseudonym);
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
    expect(await stage.relay().unindexed()).not.toContain(patient.pseudonym);
    expect(await refusal(testbed.main().declareAbsent(patient.pseudonym, random(32)))).toBe('INDEXED');
    expect(await refusal(testbed.main().declareAbsent('x', random(32)))).toBe('DOCUMENT_MALFORMED');
    expect(await refusal(testbed.main().lookup('x'))).toBe('DOCUMENT_MALFORMED');
  });

  const people = async () => {
    const patient = await stage.patient();
    await stage.publish(patient);
    const announced = await stage.testbed.prove(HOME, await stage.relay().announce(patient.pseudonym));
    return { ...patient, announced };
  };

  test.each([
    ['first', [VALID, PHANTOM_READ_CONFLICT]],
    ['last', [VALID, VALID]],
  ])(
    'takes an addition and a statement of absence that know nothing of each other: ordered %s',
    async (order, codes) => {
      const { pseudonym, announced } = await people();
      const addition = await stage.endorsed('main', 'Authority1', 'relay', 'Index:add', [announced]);
      const args = [pseudonym, random(32)];
      const absence = await stage.endorsed('main', 'Authority2', 'relay', 'Index:absent', args);
      expect(await ordered(order === 'first' ? [addition, absence] : [absence, addition])).toEqual(codes);
      expect(await refusal(stage.testbed.main().declareAbsent(pseudonym, random(32)))).toBe('INDEXED');
    },
  );

  test('never lets an addition and a statement of absence pass each other, whoever comes first', async () => {
    const main = stage.testbed.main();
    for (let round = 0; round < 5; round += 1) {
      const { pseudonym, announced } = await people();
      const absent = () => main.declareAbsent(pseudonym, random(32));
      const [added, ...stated] = await Promise.allSettled([main.addToIndex(announced), absent(), absent()]);
      const places = await stage.places('main');
      const placeOf = (settled: typeof added) =>
        settled.status === 'fulfilled' ? places.get(settled.value.transactionId) : undefined;
      const addition = placeOf(added) ?? expect.fail('the addition failed');
      for (const absence of stated) {
        if (absence.status === 'rejected') expect(codeOf(absence.reason)).toBe('INDEXED');
        else expect(placeOf(absence)).toBeLessThan(addition);
      }
    }
  });
});

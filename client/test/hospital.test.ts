import { LedgerError } from '@yilian/ledger';
import { PatientKeys } from '@yilian/pre';
import { PatientKey, ScopeKey, signDocument } from '@yilian/protocol';
import { RegionalChain } from '@yilian/regional-chain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Hospital } from '../src/index.ts';
import { ASKING, Case, CODES, failure, HOME, PLAINTEXT, SCOPE } from './fixture/case.ts';
import { bytesOf, collect, FEDERATION, PSEUDONYM } from './fixture/federation.ts';

let scene: Case;
beforeAll(async () => {
  scene = await Case.open();
});
afterAll(() => scene[Symbol.asyncDispose]());

const record = (source = bytesOf(PLAINTEXT)) => ({ pseudonym: PSEUDONYM, scope: SCOPE, codes: CODES, source });
const stranger = () => scene.federation.patient(8);

/** The hospital with a chain that behaves otherwise in one method. */
function withChain(change: Partial<Record<keyof RegionalChain, unknown>>): Hospital {
  const { network, mspId } = scene.federation.region(HOME);
  const own = mspId('Hospital1');
  const { certificate } = network.credential(own, 'hospital');
  const chain = new RegionalChain(network.connection(own, 'hospital'), HOME);
  const { signingKey } = scene.patient;
  return new Hospital({
    federation: FEDERATION,
    region: HOME,
    mspId: own,
    certificate,
    sign: network.signerOf(own, 'hospital'),
    chain: Object.assign(Object.create(chain) as RegionalChain, bound(chain), change),
    relay: scene.federation.relay(HOME),
    vault: scene.federation.vault,
    pins: { get: () => Promise.resolve(signingKey), pin: () => Promise.resolve() },
  });
}

/** Methods that find the chain's private fields. */
function bound(chain: RegionalChain): Partial<RegionalChain> {
  return {
    scopeKeys: (pseudonym) => chain.scopeKeys(pseudonym),
    publish: (entry) => chain.publish(entry),
    record: (recordId) => chain.record(recordId),
  };
}

describe('publishing', () => {
  test('says what was stored, and what the patient can open as the owner', async () => {
    const progress: number[] = [];
    const onProgress = (bytes: number) => progress.push(bytes);
    const source = bytesOf('haemoglobin ', '141 g/L');
    const published = await scene.hospital.publish({ ...record(source), onProgress });
    expect(published).toMatchObject({ plainSizeBytes: 19, sealedSizeBytes: 71 + 19 + 16 });
    expect(published.sha256).toBe(scene.published.sha256);
    expect(progress).toEqual([12, 19]);
    const sizeBytes = published.sealedSizeBytes;
    const sealed = await collect(scene.federation.vault.get(published.cid as never, { sizeBytes }));
    expect(sealed.includes('haemoglobin')).toBe(false);
  });

  test('refuses to seal for a patient who was never here', async () => {
    const other = scene.federation.hospital(HOME, 'Hospital2');
    expect(await failure(() => other.publish(record()))).toEqual({ code: 'PATIENT_NOT_PINNED' });
    expect(await failure(() => scene.hospital.publish({ ...record(), scope: 'imaging' }))).toEqual({
      code: 'SCOPE_UNBOUND',
    });
  });

  test('refuses a scope key that the pinned key did not sign, whatever the chain says', async () => {
    const genuine = scene.patient.scopeKey(HOME, SCOPE, 1);
    const keys = PatientKeys.fromMaster(new Uint8Array(32).fill(8), FEDERATION);
    const foreign = stranger().scopeKey(HOME, SCOPE, 1);
    const exchanged = { ...genuine, document: { ...genuine.document, key: foreign.document.key } };
    const selfSigned = signDocument(ScopeKey, { ...genuine.document, key: scene.patient.signingKey }, [keys.signer()]);
    const elsewhere = scene.patient.scopeKey(ASKING, SCOPE, 1);
    for (const scopeKey of [foreign, exchanged, selfSigned, elsewhere]) {
      const hospital = withChain({ scopeKeys: () => Promise.resolve([scopeKey]) });
      expect(await failure(() => hospital.publish(record()))).toEqual({ code: 'SCOPE_KEY_UNSIGNED' });
    }
  });

  test('keeps no sealed body when the chain refuses the record', async () => {
    const before = scene.federation.vault.pins().length;
    const refused = new LedgerError('CONTRACT', 'EPOCH: no', { stage: 'endorse', contractCode: 'EPOCH' });
    const hospital = withChain({ publish: () => Promise.reject(refused) });
    await expect(hospital.publish(record())).rejects.toBe(refused);
    expect(scene.federation.vault.pins()).toHaveLength(before);
  });

  test('keeps the sealed body while the chain may yet take the record', async () => {
    const before = scene.federation.vault.pins().length;
    const lost = new LedgerError('DEADLINE', 'no word', { stage: 'commit', transactionId: 'x' });
    const hospital = withChain({ publish: () => Promise.reject(lost) });
    expect(await failure(() => hospital.publish(record()))).toEqual({ code: 'PUBLISH_UNCERTAIN' });
    expect(scene.federation.vault.pins()).toHaveLength(before + 1);
  });

  test('finds out that a record is on the chain although its commit was not heard of', async () => {
    const { network, mspId } = scene.federation.region(HOME);
    const chain = new RegionalChain(network.connection(mspId('Hospital1'), 'hospital'), HOME);
    const publish: RegionalChain['publish'] = async (entry) => {
      const { transactionId } = await chain.publish(entry);
      throw new LedgerError('DEADLINE', 'no word', { stage: 'commit', transactionId });
    };
    const published = await withChain({ publish }).publish(record());
    expect((await chain.record(published.recordId)).document.cid).toBe(published.cid);
  });

  test('keeps nothing of a source that fails or is given up', async () => {
    const before = scene.federation.vault.pins().length;
    const failing = async function* () {
      yield* bytesOf('half');
      throw new Error('scanner offline');
    };
    await expect(scene.hospital.publish(record(failing()))).rejects.toThrow('scanner offline');
    const signal = AbortSignal.abort(new Error('closed'));
    await expect(scene.hospital.publish({ ...record(), signal })).rejects.toThrow('closed');
    expect(scene.federation.vault.pins()).toHaveLength(before);
  });
});

describe('enrolling', () => {
  test('again, or at another hospital, pins the same key and changes nothing', async () => {
    const other = scene.federation.hospital(HOME, 'Hospital2');
    await other.enrol(scene.patient.patientKey(HOME));
    expect((await other.publish(record())).plainSizeBytes).toBe(PLAINTEXT.length);
  });

  test('with another key is refused, here and by the main chain', async () => {
    const patientKey = stranger().patientKey(HOME);
    expect(await failure(() => scene.hospital.enrol(patientKey))).toEqual({ code: 'PATIENT_KEY_CHANGED' });
    const other = scene.federation.hospital(HOME, 'Hospital2');
    expect(await failure(() => other.enrol(patientKey))).toEqual({ code: 'PSEUDONYM_TAKEN' });
  });

  test('needs the patient’s own signature, for this region', async () => {
    const { document } = scene.patient.patientKey(HOME);
    const keys = PatientKeys.fromMaster(new Uint8Array(32).fill(8), FEDERATION);
    const unsigned = signDocument(PatientKey, document, [keys.signer()]);
    expect(await failure(() => scene.hospital.enrol(unsigned))).toEqual({ code: 'ARGUMENT_INVALID' });
    expect(await failure(() => scene.hospital.enrol(scene.patient.patientKey(ASKING)))).toEqual({
      code: 'ARGUMENT_INVALID',
    });
  });

  test('binds scope keys of the pinned key only', async () => {
    await scene.hospital.bind(scene.patient.scopeKey(HOME, 'imaging', 1));
    expect(await failure(() => scene.hospital.bind(stranger().scopeKey(HOME, 'imaging', 2)))).toEqual({
      code: 'SCOPE_KEY_UNSIGNED',
    });
  });

  test('checks the proof of the registration when it has a view', async () => {
    const { proof } = scene.keyCertificate;
    scene.federation.overrides.set('POST region-a.test/v1/patients', () => ({ proof }));
    const { network, mspId } = scene.federation.region(HOME);
    const own = mspId('Hospital2');
    const hospital = new Hospital({
      federation: FEDERATION,
      region: HOME,
      mspId: own,
      certificate: network.credential(own, 'hospital').certificate,
      sign: network.signerOf(own, 'hospital'),
      chain: new RegionalChain(network.connection(own, 'hospital'), HOME),
      relay: scene.federation.relay(HOME),
      vault: scene.federation.vault,
      view: scene.view,
    });
    expect(await failure(() => hospital.enrol(scene.patient.patientKey(HOME)))).toEqual({
      code: 'REGISTRATION_INVALID',
    });
    scene.federation.overrides.clear();
  });
});

test('a hospital registers its own practitioners only', async () => {
  const { keyCertificate } = scene.keyCertificate;
  const other = scene.federation.hospital(ASKING, 'Hospital2');
  expect(await failure(() => other.registerPractitioner(keyCertificate))).toEqual({ code: 'ARGUMENT_INVALID' });
  const own = scene.federation.practitioner(HOME, 'Dr. Wang');
  const document = own.keyCertificate({ notBefore: Date.now(), notAfter: Date.now() + 1e9 });
  const registered = await scene.hospital.registerPractitioner(document);
  const { chain } = scene.federation.region(HOME);
  expect((await chain.keyCertificate(registered.keyCertificateId)).signed).toEqual(document);
});

test('records are findable once the region’s chain says that the index knows them', async () => {
  const { chain, network } = scene.federation.region(HOME);
  const signal = AbortSignal.timeout(50);
  await expect(scene.hospital.findable(PSEUDONYM, signal)).rejects.toThrow('timeout');
  const { transactionId } = await chain.announce(PSEUDONYM);
  await scene.federation.mainRelay.addToIndex(await network.prove(transactionId));
  await chain.indexed([PSEUDONYM]);
  await scene.hospital.findable(PSEUDONYM);
  expect(await scene.federation.mainRelay.lookup(PSEUDONYM)).toEqual([HOME]);
});

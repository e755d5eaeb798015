import { commitment, newContentSecret, PatientKeys, SecretKey, sealHeader } from '@yilian/pre';
import {
  documentId,
  Grant,
  headerContext,
  KeyCertificate,
  type Outcome,
  PatientKey,
  RecordEntry,
  Request,
  Revocation,
  ScopeKey,
  signDocument,
  toBase64url,
} from '@yilian/protocol';
import { Testbed } from '@yilian/testbed';
import { afterAll, beforeAll, expect, test } from 'vitest';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.open();
});
afterAll(() => testbed[Symbol.asyncDispose]());

const random = (length: number): string => toBase64url(crypto.getRandomValues(new Uint8Array(length)));

test('a record published in region A is released to a doctor of region B, until the grant is revoked', async () => {
  const { federation } = testbed;
  const pseudonym = random(32);
  const patient = PatientKeys.fromMaster(crypto.getRandomValues(new Uint8Array(32)), federation);
  const signer = patient.signer();
  const [hospital] = testbed.members('region-a').hospitals;
  const hospitalMember = testbed.member(hospital, 'hospital');
  const suite = 'umbral-secp256k1-v1' as const;
  const common = { federation, region: 'region-a', pseudonym, suite } as const;
  const signedAt = Date.now();

  const patientKey = signDocument(
    PatientKey,
    { ...common, keyEpoch: 1, signingKey: toBase64url(signer.verifyingKey().toBytes()), signedAt },
    [signer, hospitalMember],
  );
  const registered = await testbed.main().registerPatient(patientKey);
  const chain = testbed.region('region-a', hospital, 'hospital');
  await chain.enrol(patientKey, await testbed.prove('main', registered));
  const scopeSecret = patient.scopeKey({ region: 'region-a', scope: 'laboratory', epoch: 1 });
  const scopeKey = scopeSecret.publicKey();
  await chain.bind(
    signDocument(
      ScopeKey,
      { ...common, scope: 'laboratory', epoch: 1, key: toBase64url(scopeKey.toBytes()), signedAt },
      [signer],
    ),
  );

  const recordId = random(16);
  const secret = newContentSecret();
  const record = { ...common, recordId, scope: 'laboratory', epoch: 1 };
  await chain.publish(
    signDocument(
      RecordEntry,
      {
        ...record,
        codes: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }],
        cid: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy',
        sizeBytes: 100,
        header: toBase64url(sealHeader(scopeKey, secret, headerContext(record))),
        commitment: toBase64url(commitment(secret.salt, new Uint8Array(32))),
        custodian: hospital,
        signedAt,
      },
      [hospitalMember],
    ),
  );
  const announced = await testbed.region('region-a', 'CommissionA', 'relay').announce(pseudonym);
  await testbed.main().addToIndex(await testbed.prove('region-a', announced));
  expect(await testbed.main().lookup(pseudonym)).toEqual(['region-a']);

  const doctor = testbed.member('HospitalB1', 'practitioner', 'Dr Li');
  const doctorSecret = SecretKey.random();
  const keyCertificate = signDocument(
    KeyCertificate,
    {
      federation,
      region: 'region-b',
      mspId: 'HospitalB1',
      certificate: (await import('node:crypto'))
        .createHash('sha256')
        .update(new (await import('node:crypto')).X509Certificate(doctor.certificate).raw)
        .digest('hex'),
      suite,
      key: toBase64url(doctorSecret.publicKey().toBytes()),
      notBefore: signedAt - 1000,
      notAfter: signedAt + 86_400_000,
      signedAt,
    },
    [
      doctor,
      {
        sign: (message) => new (Object.getPrototypeOf(signer).constructor)(doctorSecret).sign(message),
        verifyingKey: () => doctorSecret.publicKey(),
      } as typeof signer,
    ],
  );
  const practitionerTx = await testbed
    .region('region-b', 'HospitalB1', 'hospital')
    .registerPractitioner(keyCertificate);
  const registration = await testbed.prove('region-b', practitionerTx);
  const keyCertificateId = documentId('key-certificate', keyCertificate.document);

  for (const mspId of ['CommissionA', 'HospitalA1', 'HospitalA2']) {
    const { ProxyKey } = await import('@yilian/protocol');
    const proxy = testbed.member(mspId, 'proxy');
    await testbed.region('region-a', mspId, 'proxy').registerProxy(
      signDocument(
        ProxyKey,
        {
          federation,
          region: 'region-a',
          mspId,
          url: 'http://127.0.0.1:1',
          key: toBase64url(SecretKey.random().publicKey().toBytes()),
          signedAt,
        },
        [proxy],
      ),
    );
  }
  const grant = signDocument(
    Grant,
    {
      federation,
      region: 'region-a',
      pseudonym,
      grantee: keyCertificateId,
      purposes: ['TREAT'],
      scopes: [{ scope: 'laboratory', epoch: 1 }],
      notBefore: signedAt - 1000,
      notAfter: signedAt + 3_600_000,
      threshold: 2,
      proxies: ['CommissionA', 'HospitalA1', 'HospitalA2'].map((mspId) => ({ mspId, commitment: random(32) })),
      signedAt,
      nonce: random(16),
    },
    [signer],
  );
  const relay = testbed.region('region-a', 'CommissionA', 'relay');
  await relay.grant(grant, keyCertificate, registration);
  const grantId = documentId('grant', grant.document);
  await testbed.region('region-a', 'CommissionA', 'proxy').acknowledge(grantId);
  await testbed.region('region-a', 'HospitalA1', 'proxy').acknowledge(grantId);

  const ask = (): ReturnType<typeof signDocument<typeof Request.schema>> =>
    signDocument(
      Request,
      {
        federation,
        region: 'region-b',
        pseudonym,
        scopes: ['laboratory'],
        purpose: 'TREAT',
        evidence: random(32),
        keyCertificate: keyCertificateId,
        minMainHeight: 0,
        priority: 'routine',
        waitForConsent: false,
        notBefore: Date.now() - 1000,
        notAfter: Date.now() + 60_000,
        nonce: random(16),
      },
      [doctor],
    );
  const request = ask();
  await testbed.region('region-b', 'CommissionB', 'relay').ask(request, ['region-a']);
  const decided = await relay.decide(request, keyCertificate, undefined);
  const outcome = JSON.parse(new TextDecoder().decode(decided.result)) as Outcome;
  expect(outcome.outcome).toBe('released');
  expect(outcome.release?.records.map((released) => released.recordId)).toEqual([recordId]);
  await testbed.region('region-b', 'CommissionB', 'relay').mirrorOutcomes([await testbed.prove('region-a', decided)]);
  expect(await testbed.region('region-b', 'CommissionB', 'relay').pending()).toEqual([]);

  await relay.revoke(
    signDocument(Revocation, { federation, region: 'region-a', pseudonym, grantId, signedAt: Date.now() }, [signer]),
  );
  const second = JSON.parse(
    new TextDecoder().decode((await relay.decide(ask(), keyCertificate, undefined)).result),
  ) as Outcome;
  expect(second).toMatchObject({ outcome: 'denied', scopes: [{ permitted: false, reason: 'REVOKED' }] });
});

import { createAuthority, createSigner } from '@yilian/ledger';
import { createMsp } from '@yilian/ledger/verify';
import { PatientKeys, SecretKey, Signer } from '@yilian/pre';
import {
  documentId,
  KeyCertificate,
  PatientKey,
  requireCertificateSignatures,
  requireKeySignature,
  ScopeKey,
} from '@yilian/protocol';
import { describe, expect, test } from 'vitest';
import { countersign, Patient, Practitioner } from '../src/index.ts';
import { failure } from './fixture/case.ts';

const federation = 'test-federation';
const pseudonym = 'A'.repeat(43);
const keys = PatientKeys.fromMaster(new Uint8Array(32).fill(1), federation);
const patient = new Patient({ keys, pseudonym, federation });
const authority = createAuthority({ mspId: 'Hospital' });
const issued = authority.issue({ commonName: 'Dr. Li', role: 'client', attributes: { 'yilian.role': 'practitioner' } });
const signer = { certificate: issued.certificate, sign: createSigner(issued.privateKey) };
const secret = SecretKey.random();
const doctor = () => new Practitioner({ federation, region: 'region-b', mspId: 'Hospital', ...signer, secret });
const identify = (certificate: string) =>
  createMsp({ mspId: 'Hospital', roots: [authority.rootPem] }).identify(certificate, Date.now());
const question = { pseudonym, scopes: ['laboratory'], purpose: 'TREAT', evidence: 'A'.repeat(43), minMainHeight: 3 };

describe('a patient’s documents', () => {
  test('are signed by the one signing key, which no scope key equals', () => {
    const patientKey = patient.patientKey('region-a', 1000);
    const scopeKeys = [1, 2].flatMap((epoch) =>
      ['region-a', 'region-b'].flatMap((region) =>
        ['laboratory', 'imaging'].map((scope) => patient.scopeKey(region, scope, epoch, 1000)),
      ),
    );
    requireKeySignature(patientKey, patient.signingKey);
    for (const scopeKey of scopeKeys) requireKeySignature(scopeKey, patient.signingKey);
    const points = new Set([patient.signingKey, ...scopeKeys.map(({ document }) => document.key)]);
    expect(points.size).toBe(1 + scopeKeys.length);
    expect(patientKey.document).toMatchObject({
      pseudonym,
      keyEpoch: 1,
      signingKey: patient.signingKey,
      signedAt: 1000,
    });
  });

  test('come out the same from the same master key, whatever device it is on', () => {
    const again = new Patient({
      keys: PatientKeys.fromMaster(new Uint8Array(32).fill(1), federation),
      pseudonym,
      federation,
    });
    expect(again.scopeKey('region-a', 'laboratory', 1, 5).document).toEqual(
      patient.scopeKey('region-a', 'laboratory', 1, 5).document,
    );
  });

  test('get the hospital’s signature beside the patient’s, over the same bytes', () => {
    const patientKey = patient.patientKey('region-a');
    const vouched = countersign(patientKey, PatientKey, signer);
    expect(vouched.document).toEqual(patientKey.document);
    requireKeySignature(vouched, patient.signingKey);
    expect(requireCertificateSignatures(vouched, identify)[0].subject).toContain('Dr. Li');
    const other = { ...vouched, document: { ...vouched.document, keyEpoch: 2 } };
    expect(() => requireCertificateSignatures(other, identify)).toThrow('SIGNATURE_INVALID');
    const twice = countersign(patient.scopeKey('region-a', 'x-ray', 1), ScopeKey, new Signer(secret));
    expect(twice.signatures.map(({ alg }) => alg)).toEqual(['ES256K', 'ES256K']);
  });
});

describe('a practitioner’s documents', () => {
  test('bind the re-encryption key to the certificate, with both signatures', () => {
    const keyCertificate = doctor().keyCertificate({ notBefore: 1, notAfter: 2 }, 1000);
    const [identity] = requireCertificateSignatures(keyCertificate, identify);
    expect(keyCertificate.document.certificate).toBe(identity.fingerprint);
    requireKeySignature(keyCertificate, secret.publicKey().toBase64url());
  });

  test('name the key certificate that was made or given, and none otherwise', async () => {
    const own = doctor();
    expect(await failure(() => own.request(question))).toEqual({ code: 'ARGUMENT_INVALID' });
    const keyCertificate = own.keyCertificate({ notBefore: 1, notAfter: 2 });
    const id = documentId(KeyCertificate.type, keyCertificate.document);
    expect(own.request(question).document.keyCertificate).toBe(id);
    const options = { federation, region: 'region-b', mspId: 'Hospital', ...signer, secret, keyCertificate };
    expect(new Practitioner(options).request(question).document.keyCertificate).toBe(id);
  });

  test('ask each time anew, for a limited time that starts before any clock that is a minute behind', () => {
    const own = doctor();
    own.keyCertificate({ notBefore: 1, notAfter: 2 });
    const [first, second] = [own.request({ ...question, at: 1e12 }), own.request({ ...question, at: 1e12 })];
    expect(first?.document.nonce).not.toBe(second?.document.nonce);
    expect(first?.document).toMatchObject({ notBefore: 1e12 - 60_000, notAfter: 1e12 + 600_000, priority: 'routine' });
    const waiting = own.request({ ...question, at: 1e12, waitForConsent: true, priority: 'urgent' }).document;
    expect(waiting).toMatchObject({ notAfter: 1e12 + 86_400_000, waitForConsent: true, priority: 'urgent' });
  });

  test('are not made of what their schema refuses', async () => {
    const own = doctor();
    own.keyCertificate({ notBefore: 1, notAfter: 2 });
    for (const change of [{ purpose: 'treatment' }, { scopes: [] }, { scopes: ['Labor'] }, { minMainHeight: -1 }]) {
      expect(await failure(() => own.request({ ...question, ...change }))).toEqual({ code: 'ARGUMENT_INVALID' });
    }
  });

  test('carry the hash of the evidence and never the evidence', () => {
    const own = doctor();
    own.keyCertificate({ notBefore: 1, notAfter: 2 });
    const request = own.request({ ...question, evidence: Buffer.from('encounter 17') });
    expect(request.document.evidence).toMatch(/^[\w-]{43}$/);
    expect(JSON.stringify(request)).not.toContain('encounter');
  });

  test('are refused when the certificate is none', async () => {
    const options = { federation, region: 'region-b', mspId: 'Hospital', certificate: 'x', sign: signer.sign, secret };
    expect(await failure(() => new Practitioner(options).keyCertificate({ notBefore: 1, notAfter: 2 }))).toEqual({
      code: 'ARGUMENT_INVALID',
    });
  });
});

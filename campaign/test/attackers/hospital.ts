import { randomBytes } from 'node:crypto';
import { countersign, isProven, Patient } from '@yilian/client';
import { commitment, newContentSecret, PatientKeys, PublicKey, SUITE, sealBody, sealHeader, sha256 } from '@yilian/pre';
import {
  headerContext,
  PatientKey,
  RecordEntry,
  type ScopeKey,
  type SignedBy,
  signDocument,
  toBase64url,
  utf8Bytes,
} from '@yilian/protocol';
import { describe, expect, it } from 'vitest';
import { Forger } from '../../src/forger.ts';
import type { Enrolled } from '../../src/people.ts';
import { fresh, SCOPE } from '../../src/world.ts';
import { CASE_MS, type Scene } from './scene.ts';

/** Hospitals that were taken over: their credentials are real, and so are the ports. */
export function hospitalCases(scene: () => Scene): void {
  /** Somebody else who says to be this patient. */
  function impostor({ pseudonym }: Enrolled): Patient {
    const { federation } = scene().world.files;
    return new Patient({ keys: PatientKeys.fromMaster(randomBytes(32), federation), pseudonym, federation });
  }

  describe('a hospital that has its real key', () => {
    it(
      'and commits to another record than it sealed is named when it is opened (COMMITMENT_MISMATCH)',
      async () => {
        const { people, all, world } = scene();
        const { home } = world;
        const deceived = await people.patient();
        const recordId = await publishFalsely(deceived, 'what it committed to');
        await people.indexed(deceived);
        await people.grant(deceived, all.doctor);
        const asked = await scene().exchange(all.doctor, deceived);
        const [leg] = (await scene().verified(all.doctor, asked)).legs;
        expect(isProven(leg!) && leg.outcome.release?.records.map((record) => record.recordId)).toEqual([recordId]);
        await scene().expectSealed(all.doctor, leg!, { code: 'COMMITMENT_MISMATCH', party: home.hospital });
        await scene().expectEnd(asked.requestId, 'released');
      },
      CASE_MS,
    );

    it('cannot bind a scope key that the patient did not sign, and the chain keeps the patient’s (SIGNATURE_MISSING)', async () => {
      const { all, world } = scene();
      const { home } = world;
      const chain = home.as(home.hospital, 'hospital');
      const before = await chain.scopeKeys(all.patient.pseudonym);
      expect(before).toHaveLength(1);
      const foreign = impostor(all.patient).scopeKey(home.name, SCOPE, 2);
      await expect(chain.bind(foreign)).rejects.toMatchObject({ contractCode: 'SIGNATURE_MISSING' });
      const pasted: SignedBy<typeof ScopeKey> = { ...all.patient.patient.scopeKey(home.name, SCOPE, 2) };
      const altered = { ...pasted, document: { ...pasted.document, key: foreign.document.key } };
      await expect(chain.bind(altered)).rejects.toMatchObject({ contractCode: 'SIGNATURE_INVALID' });
      expect(await chain.scopeKeys(all.patient.pseudonym)).toEqual(before);
    });

    it('cannot register a patient’s pseudonym with other keys in a second region (PSEUDONYM_TAKEN), on no ledger', async () => {
      const { people, all, world } = scene();
      const { home, away } = world;
      const before = await world.asAuthority().patient(all.patient.pseudonym);
      const { signer } = new Forger(away.member(away.hospital, 'hospital'));
      const claimed = countersign(impostor(all.patient).patientKey(away.name), PatientKey, signer);
      await expect(people.relay(away).registerPatient(claimed)).rejects.toMatchObject({
        code: 'PSEUDONYM_TAKEN',
        status: 409,
      });
      expect(await world.asAuthority().patient(all.patient.pseudonym)).toEqual(before);
      await expect(away.as(away.commission, 'admin').patient(all.patient.pseudonym)).rejects.toMatchObject({
        contractCode: 'PATIENT_UNKNOWN',
      });
      const { signingKey } = await home.as(home.commission, 'admin').patient(all.patient.pseudonym);
      expect(signingKey).toBe(before.signingKey);
    });

    it('cannot enrol them there with the proof of another’s registration (PROOF_MISMATCH)', async () => {
      const { people, all, world } = scene();
      const { away } = world;
      const { signer } = new Forger(away.member(away.hospital, 'hospital'));
      const stranger = countersign(
        impostor({ ...all.patient, pseudonym: fresh() }).patientKey(away.name),
        PatientKey,
        signer,
      );
      const { proof } = await people.relay(away).registerPatient(stranger);
      const claimed = countersign(impostor(all.patient).patientKey(away.name), PatientKey, signer);
      const chain = away.as(away.hospital, 'hospital');
      await expect(chain.enrol(claimed, proof)).rejects.toMatchObject({ contractCode: 'PROOF_MISMATCH' });
      await expect(chain.patient(all.patient.pseudonym)).rejects.toMatchObject({ contractCode: 'PATIENT_UNKNOWN' });
    });
  });

  /** Registers a record whose commitment is to another text than was sealed. Returns its id. */
  async function publishFalsely({ patient, pseudonym }: Enrolled, committedTo: string): Promise<string> {
    const { people, world } = scene();
    const { home, files } = world;
    const { federation } = files;
    const recordId = toBase64url(randomBytes(16));
    const subject = { federation, region: home.name, recordId, pseudonym, scope: SCOPE, epoch: 1 };
    const secret = newContentSecret();
    const key = PublicKey.fromBase64url(patient.scopeKey(home.name, SCOPE, 1).document.key);
    await using vault = await people.vault();
    const body = sealBody(secret.key, [utf8Bytes('what it sealed')]);
    const { cid, sizeBytes } = await vault.put(body);
    const document: RecordEntry = {
      ...subject,
      codes: [{ system: 'http://loinc.org', code: '718-7' }],
      cid,
      sizeBytes,
      suite: SUITE,
      header: toBase64url(sealHeader(key, secret, headerContext(subject))),
      commitment: toBase64url(commitment(secret.salt, sha256(utf8Bytes(committedTo)))),
      custodian: home.hospital,
      signedAt: Date.now(),
    };
    const { signer } = new Forger(home.member(home.hospital, 'hospital'));
    await home.as(home.hospital, 'hospital').publish(signDocument(RecordEntry, document, [signer]));
    return recordId;
  }
}

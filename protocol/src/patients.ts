import { type Static, Type } from '@yilian/schema';
import { Epoch, FederationId, PointKey, Pseudonym, RegionId, ScopeId, SuiteId, Time } from './ids.ts';
import { documentType } from './signed.ts';

/**
 * A patient's signing key, registered once in the federation. Signed by that key (possession) and by the hospital
 * that saw the patient (vouching).
 */
export const PatientKey = documentType(
  'patient-key',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      pseudonym: Pseudonym,
      keyEpoch: Epoch,
      suite: SuiteId,
      signingKey: PointKey,
      signedAt: Time,
    },
    { additionalProperties: false },
  ),
);
export type PatientKey = Static<typeof PatientKey.schema>;

/** The public key records of one scope and epoch are sealed to in one region. Signed by the patient's signing key. */
export const ScopeKey = documentType(
  'scope-key',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      pseudonym: Pseudonym,
      scope: ScopeId,
      epoch: Epoch,
      suite: SuiteId,
      key: PointKey,
      signedAt: Time,
    },
    { additionalProperties: false },
  ),
);
export type ScopeKey = Static<typeof ScopeKey.schema>;

/** A patient asks for everything a region's chain says about who read. Signed by the patient's signing key. */
export const AccessQuery = documentType(
  'access-query',
  Type.Object(
    { federation: FederationId, region: RegionId, pseudonym: Pseudonym, signedAt: Time },
    { additionalProperties: false },
  ),
);
export type AccessQuery = Static<typeof AccessQuery.schema>;

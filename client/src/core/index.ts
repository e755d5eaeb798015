export type { PatientAccess, PatientAccesses, PatientWaiting } from './accesses.ts';
export {
  type Conflict,
  isProven,
  type OpenLeg,
  type ProvenLeg,
  type VerifiedAnswer,
  type VerifiedLeg,
} from './answers.ts';
export type { BodySource, BodyVault } from './bodies.ts';
export { ClientError, type ClientErrorCode, faultyProxy, type OwnErrorCode } from './client-error.ts';
export { DOSSIER_VERSION, type Dossier, type DossierContent, DossierSchema, dossier } from './dossier.ts';
export { type DossierLegReport, type DossierReport, verifyDossier } from './dossier-verification.ts';
export { FederationView } from './federation-view.ts';
export type { HttpOptions } from './http.ts';
export type { Holder } from './identity.ts';
export type { Grantee } from './key-certificates.ts';
export type { OpenOptions } from './opening.ts';
export type { ProvenAbsence, ProvenOutcome } from './outcomes.ts';
export {
  type DeclineOptions,
  type Granted,
  type GrantOptions,
  Patient,
  type PatientOptions,
  type Revoked,
  type RevokeOptions,
} from './patient.ts';
export {
  Practitioner,
  type PractitionerOptions,
  type RequestOptions,
  type VerifyOptions,
} from './practitioner.ts';
export { ProxyClient } from './proxy-client.ts';
export { type GrantSubmission, RelayClient, type WatchOptions } from './relay-client.ts';
export type { AccessEntry, KeyCertificateReply, WaitingEntry } from './replies.ts';
export { countersign } from './signing.ts';
export { openToSink, type Sink } from './sink.ts';

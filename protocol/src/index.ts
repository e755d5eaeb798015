export { canonicalJson, parseCanonical } from './arguments.ts';
export { digest, fromBase64url, toBase64url, utf8Bytes } from './bytes.ts';
export { Checkpoint } from './checkpoints.ts';
export { cfragContext, headerContext, kfragContext } from './contexts.ts';
export { ENVELOPE_TTL_MS, Envelope, requireFresh } from './envelopes.ts';
export { ProtocolError, type ProtocolErrorCode } from './errors.ts';
export { DestructionReceipt, Grant, overtakes, ProxyKey, Revocation } from './grants.ts';
export {
  Bookmark,
  Cid,
  Epoch,
  FederationId,
  Hash,
  MspId,
  Nonce,
  Pem,
  PointKey,
  Pseudonym,
  Purpose,
  RecordId,
  RegionId,
  ScopeId,
  SuiteId,
  Time,
  TransactionId,
  Url,
} from './ids.ts';
export {
  consistencyProof,
  inclusionProof,
  leafHash,
  merkleRoot,
  requireConsistency,
  rootFromInclusion,
} from './merkle.ts';
export {
  DenialReason,
  Outcome,
  parseOutcome,
  parser,
  RECORDS_PER_PAGE,
  RELEASE_TTL_MS,
  type Release,
  ReleasedRecord,
  ScopeDecision,
} from './outcomes.ts';
export { AccessQuery, PatientKey, ScopeKey } from './patients.ts';
export { KeyCertificate } from './practitioners.ts';
export { Attestation, OutcomeProof, parseOutcomeProof } from './proofs.ts';
export { Coding, MAX_BODY_BYTES, RecordEntry, RecordRewrap } from './records.ts';
export {
  Genesis,
  MainHeight,
  Organisation,
  parseGenesis,
  parseRegionEntry,
  parseScopeList,
  parseTrust,
  RegionEntry,
  ScopeEntry,
  ScopeList,
  Trust,
} from './regions.ts';
export { ConsentDenial, OpenedReceipt, Request } from './requests.ts';
export { ROLE_ATTRIBUTE, type Role } from './roles.ts';
export {
  type CertificateSigner,
  type DocumentOf,
  type DocumentSigner,
  type DocumentType,
  documentBytes,
  documentId,
  documentType,
  parseSigned,
  requireCertificateSignatures,
  requireKeySignature,
  Signature,
  type Signed,
  type SignedBy,
  signDocument,
} from './signed.ts';
export { identify, identifyAny, requireAttested, requireSoundTrust, rotateTrust, trustsAt } from './trust.ts';

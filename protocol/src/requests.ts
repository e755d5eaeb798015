import { type Static, Type } from '@yilian/schema';
import {
  FederationId,
  Hash,
  Nonce,
  Pseudonym,
  Purpose,
  RecordId,
  RegionId,
  ScopeId,
  Time,
  TransactionId,
} from './ids.ts';
import { documentType } from './signed.ts';

/** A practitioner's question. Signed by the certificate that the key certificate names; its id is the request id. */
export const Request = documentType(
  'request',
  Type.Object(
    {
      federation: FederationId,
      /** The requesting region. */
      region: RegionId,
      pseudonym: Pseudonym,
      scopes: Type.Array(ScopeId, { minItems: 1, maxItems: 16, uniqueItems: true }),
      purpose: Purpose,
      /** SHA-256 of the evidence of treatment (encounter, referral), which stays with the requester. */
      evidence: Hash,
      /** Id of the requester's {@link KeyCertificate}. */
      keyCertificate: Hash,
      /** The oldest main-chain block height an answer may rest on. */
      minMainHeight: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
      priority: Type.Union([Type.Literal('routine'), Type.Literal('urgent')]),
      waitForConsent: Type.Boolean(),
      notBefore: Time,
      notAfter: Time,
      nonce: Nonce,
    },
    { additionalProperties: false },
  ),
);
export type Request = Static<typeof Request.schema>;

/** The requester's word that records were opened and verified. Signed by the requester's certificate. */
export const OpenedReceipt = documentType(
  'opened-receipt',
  Type.Object(
    {
      federation: FederationId,
      /** The home region whose release was opened. */
      region: RegionId,
      requestId: Hash,
      /** The home chain's transaction that released them: the decision's, or a page's. */
      release: TransactionId,
      records: Type.Array(RecordId, { minItems: 1, maxItems: 200, uniqueItems: true }),
      openedAt: Time,
    },
    { additionalProperties: false },
  ),
);
export type OpenedReceipt = Static<typeof OpenedReceipt.schema>;

/** A patient's no to a request that waits for consent. Signed by the patient's signing key. */
export const ConsentDenial = documentType(
  'consent-denial',
  Type.Object(
    { federation: FederationId, region: RegionId, pseudonym: Pseudonym, requestId: Hash, signedAt: Time },
    { additionalProperties: false },
  ),
);
export type ConsentDenial = Static<typeof ConsentDenial.schema>;

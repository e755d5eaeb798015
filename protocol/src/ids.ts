import { type TString, Type } from '@yilian/schema';

/**
 * The identifiers of the protocol. Every one is a string with a fixed alphabet; those that stand for bytes are
 * canonical base64url of a fixed length, so that two spellings of one id cannot exist.
 */
const text = (pattern: string): TString => Type.String({ pattern });
const SIXTEEN_BYTES = '[A-Za-z0-9_-]{21}[AQgw]';
const THIRTY_TWO_BYTES = '[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]';

export const FederationId = text('^[a-z][a-z0-9-]{1,39}$');
/** A region, and the name of its chain; `main` is the main chain's own name. */
export const RegionId = text('^[a-z][a-z0-9-]{1,39}$');
/** The class of records a scope key covers, from the registry on the main chain. */
export const ScopeId = text('^[a-z][a-z0-9-]{1,39}$');
/** HL7 PurposeOfUse (v3 ActReason), such as TREAT or HRESCH. */
export const Purpose = text('^[A-Z]{2,20}$');
export const MspId = text('^[A-Za-z][A-Za-z0-9.-]{1,63}$');
export const Hash = text(`^${THIRTY_TWO_BYTES}$`);
/** Output of the pseudonym authority's keyed PRF: 32 bytes. */
export const Pseudonym = text(`^${THIRTY_TWO_BYTES}$`);
export const RecordId = text(`^${SIXTEEN_BYTES}$`);
export const Nonce = text(`^${SIXTEEN_BYTES}$`);
/** Compressed SEC 1 point on secp256k1: 33 bytes. */
export const PointKey = text('^A[g-z0-9_-][A-Za-z0-9_-]{42}$');
export const Cid = text('^baf(ybei|krei)[a-z2-7]{52}$');
/** Fabric's transaction id: SHA-256 in hexadecimal. */
export const TransactionId = text('^[0-9a-f]{64}$');
export const Pem = Type.String({
  pattern: '^-----BEGIN (CERTIFICATE|X509 CRL)-----\\n[A-Za-z0-9+/=\\n]+-----END \\1-----\\n?$',
  maxLength: 8192,
});
export const Url = Type.String({ pattern: '^https?://[A-Za-z0-9.:\\[\\]-]+(/[A-Za-z0-9._~/-]*)?$', maxLength: 512 });
/** Epoch milliseconds. */
export const Time = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 });
export const Epoch = Type.Integer({ minimum: 1, maximum: 1_000_000 });
export const SuiteId = Type.Literal('umbral-secp256k1-v1');
/** Text for people: no control characters, no lone surrogates; `maxLength` in code points. */
export const label = (maxLength: number): TString => text(`^[^\\p{Cc}\\p{Cs}]{1,${maxLength}}$`);
/** Where a page of a release starts: after this scope and record. */
export const Bookmark = text(`^[a-z][a-z0-9-]{1,39}/${SIXTEEN_BYTES}$`);

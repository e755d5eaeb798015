import type { Identity } from '@yilian/ledger/verify';
import { PublicKey, type Signer, verifySignature } from '@yilian/pre';
import { Compile, type Static, type TSchema, Type, type Validator } from '@yilian/schema';
import { canonicalJson } from './arguments.ts';
import { digest, fromBase64url, toBase64url, utf8Bytes } from './bytes.ts';
import { ProtocolError } from './errors.ts';
import { Pem, PointKey } from './ids.ts';

const KeySignature = Type.Object(
  { alg: Type.Literal('ES256K'), key: PointKey, value: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' }) },
  { additionalProperties: false },
);
const CertificateSignature = Type.Object(
  { alg: Type.Literal('ES256'), certificate: Pem, value: Type.String({ pattern: '^[A-Za-z0-9_-]{80,104}$' }) },
  { additionalProperties: false },
);
export const Signature = Type.Union([KeySignature, CertificateSignature]);
export type Signature = Static<typeof Signature>;

/** A document with its signatures. The signatures cover {@link documentBytes} and nothing else. */
export interface Signed<T> {
  readonly type: string;
  readonly document: T;
  readonly signatures: readonly Signature[];
}

/** One type of signed document: its name in the signed prefix and the schema its bytes must satisfy (SPEC.md §2). */
export interface DocumentType<S extends TSchema = TSchema> {
  readonly type: string;
  readonly schema: S;
  /** The schema of the document with its signatures, for HTTP bodies and contract arguments. */
  readonly signed: TSchema;
  readonly validator: Validator;
}

export type DocumentOf<D> = D extends DocumentType<infer S> ? Static<S> : never;
export type SignedBy<D> = Signed<DocumentOf<D>>;

export function documentType<S extends TSchema>(type: string, schema: S): DocumentType<S> {
  const signed = Type.Object(
    { type: Type.Literal(type), document: schema, signatures: Type.Array(Signature, { minItems: 1, maxItems: 16 }) },
    { additionalProperties: false },
  );
  let compiled: Validator | undefined;
  return {
    type,
    schema,
    signed,
    get validator() {
      compiled ??= Compile(signed) as unknown as Validator;
      return compiled;
    },
  };
}

/** `yilian/<type>/v1`, a zero byte, and the document as RFC 8785 JSON: what is signed and hashed. */
export function documentBytes(type: string, document: unknown): Uint8Array {
  return utf8Bytes(`yilian/${type}/v1\0${canonicalJson(document)}`);
}

/** SHA-256 of {@link documentBytes}; recomputed by whoever receives a document, never believed. */
export function documentId(type: string, document: unknown): string {
  return digest(documentBytes(type, document));
}

/** @throws DOCUMENT_MALFORMED unless the value is exactly a signed document of this type */
export function parseSigned<S extends TSchema>(kind: DocumentType<S>, value: unknown): Signed<Static<S>> {
  if (kind.validator.Check(value)) return value as Signed<Static<S>>;
  const [, [first]] = kind.validator.Errors(value);
  throw new ProtocolError('DOCUMENT_MALFORMED', `${kind.type}${first?.instancePath ?? ''} ${first?.message ?? ''}`);
}

/** A party that signs with an X.509 key. `sign` returns ECDSA P-256 over SHA-256 as low-S DER. */
export interface CertificateSigner {
  readonly certificate: string;
  sign(message: Uint8Array): Uint8Array;
}

export type DocumentSigner = Signer | CertificateSigner;

export function signDocument<S extends TSchema>(
  kind: DocumentType<S>,
  document: Static<S>,
  signers: readonly DocumentSigner[],
): Signed<Static<S>> {
  const message = documentBytes(kind.type, document);
  const signatures = signers.map((signer): Signature => {
    const value = toBase64url(signer.sign(message));
    return 'certificate' in signer
      ? { alg: 'ES256', certificate: signer.certificate, value }
      : { alg: 'ES256K', key: toBase64url(signer.verifyingKey().toBytes()), value };
  });
  return parseSigned(kind, { type: kind.type, document, signatures });
}

/** Checks that `key` (base64url point) signed. @throws SIGNATURE_MISSING SIGNATURE_INVALID */
export function requireKeySignature(signed: Signed<unknown>, key: string): void {
  const signature = signed.signatures.find((candidate) => candidate.alg === 'ES256K' && candidate.key === key);
  if (signature === undefined) throw new ProtocolError('SIGNATURE_MISSING', `${signed.type} is not signed by its key`);
  const message = documentBytes(signed.type, signed.document);
  if (!verifySignature(PublicKey.fromBytes(fromBase64url(key)), message, fromBase64url(signature.value))) {
    throw new ProtocolError('SIGNATURE_INVALID', `${signed.type} was altered or signed by another key`);
  }
}

/**
 * Checks every certificate signature and returns who made them. `identify` validates the chain to trusted roots
 * and throws when it does not hold.
 * @throws SIGNATURE_MISSING SIGNATURE_INVALID SIGNER_UNTRUSTED
 */
export function requireCertificateSignatures(
  signed: Signed<unknown>,
  identify: (certificate: string) => Identity,
): readonly [Identity, ...Identity[]] {
  const message = documentBytes(signed.type, signed.document);
  const identities: Identity[] = [];
  for (const signature of signed.signatures) {
    if (signature.alg !== 'ES256') continue;
    const identity = trusted(signed.type, signature.certificate, identify);
    if (!identity.verify(message, fromBase64url(signature.value))) {
      throw new ProtocolError('SIGNATURE_INVALID', `${signed.type} was altered or signed by another key`);
    }
    identities.push(identity);
  }
  const [first, ...rest] = identities;
  if (first === undefined)
    throw new ProtocolError('SIGNATURE_MISSING', `${signed.type} carries no certificate signature`);
  return [first, ...rest];
}

function trusted(type: string, certificate: string, identify: (certificate: string) => Identity): Identity {
  try {
    return identify(certificate);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ProtocolError('SIGNER_UNTRUSTED', `the signer of ${type} is not trusted: ${reason}`, { cause });
  }
}

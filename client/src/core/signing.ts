import {
  type CertificateSigner,
  type DocumentSigner,
  type DocumentType,
  parseSigned,
  type Signature,
  type Signed,
  signDocument,
} from '@yilian/protocol';
import type { Static, TSchema } from '@yilian/schema';
import { ClientError, checked } from './client-error.ts';

const CERTIFICATE = /^-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n?$/;

/** Signs a document made of what the caller gave. @throws ARGUMENT_INVALID when it does not fit its schema */
export function signOwn<S extends TSchema>(
  kind: DocumentType<S>,
  document: Static<S>,
  signers: readonly DocumentSigner[],
): Signed<Static<S>> {
  return checked('ARGUMENT_INVALID', `no ${kind.type} can be made of this`, () =>
    signDocument(kind, document, signers),
  );
}

/** Adds one more party's signature to a signed document, of which nothing else changes. */
export function countersign<S extends TSchema>(
  signed: Signed<Static<S>>,
  kind: DocumentType<S>,
  signer: DocumentSigner,
): Signed<Static<S>> {
  const { signatures } = signOwn(kind, signed.document, [signer]);
  return parseSigned(kind, { ...signed, signatures: [...signed.signatures, ...signatures] });
}

/** Whether a document carries exactly these signatures, in any order: nothing unchecked rides along. */
export function hasSignatures(signed: Signed<unknown>, ...algorithms: readonly Signature['alg'][]): boolean {
  const found = signed.signatures.map(({ alg }) => alg);
  return found.toSorted().join() === algorithms.toSorted().join();
}

/** A certificate's own bytes (DER). @throws ARGUMENT_INVALID unless one certificate in PEM */
export function certificateBytes({ certificate }: Pick<CertificateSigner, 'certificate'>): Uint8Array {
  const [, body] = CERTIFICATE.exec(certificate) ?? [];
  if (body === undefined) throw new ClientError('ARGUMENT_INVALID', 'not a certificate in PEM');
  return Uint8Array.from(atob(body.replaceAll('\n', '')), (letter) => letter.charCodeAt(0));
}

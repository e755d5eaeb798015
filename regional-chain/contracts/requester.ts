import { verify, X509Certificate } from 'node:crypto';
import { refuse } from '@yilian/ledger/contract';
import { type Identity, VerifyError } from '@yilian/ledger/verify';
import {
  documentBytes,
  documentId,
  fromBase64url,
  KeyCertificate,
  ROLE_ATTRIBUTE,
  type Signed,
} from '@yilian/protocol';
import { checkKeyCertificate, type SignedKeyCertificate } from './practitioners.ts';
import { documentArgument, type Foundation, identifier, type Mirror, ofRegion } from './region.ts';

/** Which key certificate a request names, and what this chain knows of it and of its region. */
interface Named {
  readonly keyCertificateId: string;
  readonly known: SignedKeyCertificate | undefined;
  readonly mirror: Mirror;
  readonly at: number;
}

/**
 * The key certificate a request names: as this chain knows it, else, for one of another region, as brought along
 * (`json`; empty for none) and checked.
 * @throws KEY_CERTIFICATE_UNKNOWN KEY_CERTIFICATE_MISMATCH REGION_MISMATCH, and as {@link checkKeyCertificate}
 */
export function keyCertificateArgument(
  { federation, region }: Foundation,
  json: string,
  { keyCertificateId, known, mirror, at }: Named,
): SignedKeyCertificate {
  const place = { federation, region: mirror.entry.region };
  const brought = json === '' ? undefined : documentArgument(KeyCertificate, json, place);
  if (brought !== undefined && documentId(KeyCertificate.type, brought.document) !== keyCertificateId)
    refuse('KEY_CERTIFICATE_MISMATCH', 'the request names another key certificate');
  if (known !== undefined) return ofRegion(KeyCertificate, known, place);
  if (brought === undefined || place.region === region)
    return refuse('KEY_CERTIFICATE_UNKNOWN', 'no such key certificate');
  checkKeyCertificate(brought, mirror, at);
  return brought;
}

/**
 * Checks that the document is signed by the very certificate the key certificate names, and tells whether that
 * certificate is in force. A wrong signature is refused; a certificate that was revoked or expired is an answer, and
 * only to somebody who holds its key.
 * @throws SIGNATURE_MISSING SIGNATURE_INVALID CERTIFICATE_MISMATCH
 */
export function requesterHolds(
  signed: Signed<unknown>,
  { document }: SignedKeyCertificate,
  mirror: Mirror,
  at: number,
): boolean {
  const [signature, ...others] = signed.signatures.filter(({ alg }) => alg === 'ES256');
  if (signature?.alg !== 'ES256' || others.length > 0)
    return refuse('SIGNATURE_MISSING', `${signed.type} has exactly one certificate signature`);
  const message = documentBytes(signed.type, signed.document);
  const bytes = fromBase64url(signature.value);
  const certificate = read(signature.certificate);
  if (certificate?.fingerprint256.replaceAll(':', '').toLowerCase() !== document.certificate)
    refuse('CERTIFICATE_MISMATCH', 'signed by another certificate than the key certificate names');
  if (!verify('sha256', message, certificate.publicKey, bytes))
    refuse('SIGNATURE_INVALID', `${signed.type} was altered or signed by another key`);
  if (at < document.notBefore || at > document.notAfter) return false;
  const identity = inForce(signature.certificate, identifier(mirror, document.mspId, at));
  if (identity === undefined) return false;
  if (!identity.verify(message, bytes)) refuse('SIGNATURE_INVALID', `${signed.type} is signed in another spelling`);
  return identity.attributes[ROLE_ATTRIBUTE] === 'practitioner';
}

/**
 * Whose certificate it is, if it is in force. What OpenSSL reads and the trust roots do not is another spelling of it:
 * whoever carries a request could make one, and must not end a permitted request by it.
 */
function inForce(certificate: string, identify: (certificate: string) => Identity): Identity | undefined {
  try {
    return identify(certificate);
  } catch (error) {
    if (error instanceof VerifyError && error.code === 'CERTIFICATE_INVALID')
      refuse('CERTIFICATE_MISMATCH', 'the certificate is spelled in another way');
    return undefined;
  }
}

function read(certificate: string): X509Certificate | undefined {
  try {
    return new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}

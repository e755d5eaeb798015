import {
  documentId,
  KeyCertificate,
  type OutcomeProof,
  parseSigned,
  requireKeySignature,
  type SignedBy,
} from '@yilian/protocol';
import { ClientError, checked } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import { type Holder, holderOf, requireSigner } from './identity.ts';
import { prove, textOf } from './proofs.ts';
import type { KeyCertificateReply } from './replies.ts';
import { hasSignatures } from './signing.ts';

/** A practitioner whose key certificate was checked. */
export interface Grantee extends Holder {
  /** Id of the key certificate, which grants and requests name. */
  readonly keyCertificateId: string;
  readonly region: string;
  /** Re-encryption key, base64url point. */
  readonly key: string;
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * Checks a practitioner's key certificate up to main-chain roots: its X.509 signature by a practitioner of a hospital
 * of its region, possession of the re-encryption key, its period, and that the region's chain registered it.
 * @throws KEY_CERTIFICATE_INVALID POSSESSION_UNPROVEN CERTIFICATE_UNTRUSTED CERTIFICATE_EXPIRED CERTIFICATE_REVOKED
 *   REGISTRATION_INVALID REGION_UNKNOWN REGION_FROZEN
 */
export function checkGrantee(view: FederationView, reply: KeyCertificateReply, at: number): Grantee {
  const grantee = checkKeyCertificate(view, reply.keyCertificate, at);
  if (view.region(grantee.region).frozen)
    throw new ClientError('REGION_FROZEN', `region ${grantee.region} is frozen`, { party: grantee.region });
  checkRegistration(view, grantee, reply.proof, [at, 'own']);
  return grantee;
}

/** @throws KEY_CERTIFICATE_INVALID POSSESSION_UNPROVEN CERTIFICATE_UNTRUSTED CERTIFICATE_EXPIRED CERTIFICATE_REVOKED */
export function checkKeyCertificate(
  view: FederationView,
  unchecked: SignedBy<typeof KeyCertificate>,
  at: number,
): Grantee {
  const code = 'KEY_CERTIFICATE_INVALID';
  const signed = checked(code, 'not a key certificate', () => parseSigned(KeyCertificate, unchecked));
  const { federation, region, mspId, certificate, key, notBefore, notAfter } = signed.document;
  if (federation !== view.federation) throw new ClientError(code, 'the key certificate is of another federation');
  const identity = requireSigner(code, signed, { trusts: view.trusts(region), mspId, role: 'practitioner' }, at);
  if (identity.fingerprint !== certificate)
    throw new ClientError(code, 'the key certificate is signed by another certificate than it names');
  checked('POSSESSION_UNPROVEN', 'the key certificate is not signed by its own key', () => {
    requireKeySignature(signed, key);
    if (!hasSignatures(signed, 'ES256', 'ES256K')) throw new ClientError(code, 'a signature too many');
  });
  if (at < notBefore || at > notAfter)
    throw new ClientError('CERTIFICATE_EXPIRED', 'the key certificate is not valid at this time');
  if (notAfter > identity.notAfter)
    throw new ClientError(code, 'the key certificate outlives the certificate it is signed by');
  const keyCertificateId = documentId(KeyCertificate.type, signed.document);
  return { ...holderOf(identity), keyCertificateId, region, key, notBefore, notAfter };
}

/** Checks that the grantee's region registered this very key certificate. @throws REGISTRATION_INVALID */
export function checkRegistration(
  view: FederationView,
  { region, keyCertificateId }: Pick<Grantee, 'region' | 'keyCertificateId'>,
  proof: OutcomeProof,
  times: readonly (number | 'own')[],
): void {
  checked('REGISTRATION_INVALID', 'the registration of the key certificate is not proven', () => {
    const registered = prove(proof, view.trusts(region), { function: 'Practitioners:register' }, times);
    if (textOf(registered.payload) !== keyCertificateId)
      throw new ClientError('REGISTRATION_INVALID', 'the proof is of another key certificate');
  });
}

import type { Identity } from '@yilian/ledger/verify';
import { identify, ROLE_ATTRIBUTE, requireCertificateSignatures, type Signed, type Trust } from '@yilian/protocol';
import { ClientError, codeOf, fault, type OwnErrorCode } from './client-error.ts';

/** A holder of a certificate, for people to read. */
export interface Holder {
  readonly name: string;
  /** MSP id: the organisation whose authority vouches for the name. */
  readonly hospital: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
}

export function holderOf({ subject, mspId, fingerprint }: Identity): Holder {
  return { name: commonName(subject) ?? mspId, hospital: mspId, fingerprint };
}

function commonName(subject: string): string | undefined {
  const parts = subject.match(/(?:\\.|[^,\\])+/g) ?? [];
  const part = parts.find((candidate) => candidate.startsWith('CN='));
  return part?.slice(3).replaceAll(/\\(.)/g, '$1').replaceAll(/\p{C}/gu, ' ');
}

const CERTIFICATE_FAULTS: Readonly<Record<string, OwnErrorCode>> = {
  CERTIFICATE_EXPIRED: 'CERTIFICATE_EXPIRED',
  CERTIFICATE_REVOKED: 'CERTIFICATE_REVOKED',
  CERTIFICATE_UNTRUSTED: 'CERTIFICATE_UNTRUSTED',
  SIGNER_UNTRUSTED: 'CERTIFICATE_UNTRUSTED',
};

/**
 * Who signed a document with a certificate: exactly one party, of this organisation, in this role, in force at `at`.
 * @throws CERTIFICATE_UNTRUSTED CERTIFICATE_EXPIRED CERTIFICATE_REVOKED, or `code` when the signature does not hold
 */
export function requireSigner(
  code: OwnErrorCode,
  signed: Signed<unknown>,
  expected: { readonly trusts: readonly Trust[]; readonly mspId: string; readonly role: string },
  at: number,
): Identity {
  try {
    const [identity, ...others] = requireCertificateSignatures(signed, (certificate) =>
      identify(expected.trusts, expected.mspId, certificate, at),
    );
    if (others.length > 0) throw new ClientError(code, `${signed.type} is signed by several certificates`);
    if (identity.attributes[ROLE_ATTRIBUTE] !== expected.role)
      throw new ClientError(code, `${signed.type} is not signed by a ${expected.role}`);
    return identity;
  } catch (error) {
    const inner = codeOf(error) === 'SIGNER_UNTRUSTED' && error instanceof Error ? error.cause : error;
    throw fault(
      CERTIFICATE_FAULTS[codeOf(inner) ?? codeOf(error) ?? ''] ?? code,
      `the signer of ${signed.type}`,
      error,
    );
  }
}

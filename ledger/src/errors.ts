/** Why a proof, certificate, policy or trust root was refused. SPEC.md §8 says which check yields which code. */
export type VerifyErrorCode =
  | 'ARGUMENTS_MISMATCH'
  | 'ATTESTATION_INVALID'
  | 'ATTESTATION_POLICY'
  | 'CERTIFICATE_EXPIRED'
  | 'CERTIFICATE_INVALID'
  | 'CERTIFICATE_REVOKED'
  | 'CERTIFICATE_UNTRUSTED'
  | 'CHAINCODE_MISMATCH'
  | 'CHANNEL_MISMATCH'
  | 'CREATOR_INVALID'
  | 'ENDORSEMENT_INVALID'
  | 'ENDORSEMENT_POLICY'
  | 'FUNCTION_MISMATCH'
  | 'NETWORK_MISMATCH'
  | 'NOT_COMMITTED_VALID'
  | 'POLICY_INVALID'
  | 'PROOF_MALFORMED'
  | 'PROPOSAL_HASH_MISMATCH'
  | 'STATUS_NOT_OK'
  | 'TRANSACTION_MISMATCH'
  | 'TRUST_INVALID'
  | 'TRUST_VERSION_EXPIRED'
  | 'TRUST_VERSION_UNKNOWN';

/** Thrown by everything that judges bytes from outside. The message never holds key material. */
export class VerifyError extends Error {
  readonly code: VerifyErrorCode;

  constructor(code: VerifyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'VerifyError';
    this.code = code;
  }
}

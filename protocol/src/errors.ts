/** What can be wrong with bytes that claim to be part of the protocol. */
export type ProtocolErrorCode =
  | 'ARGUMENT_MALFORMED'
  | 'ARGUMENT_TOO_LARGE'
  | 'ATTESTATION_POLICY'
  | 'BYTES_INVALID'
  | 'DOCUMENT_MALFORMED'
  | 'SIGNATURE_MISSING'
  | 'SIGNATURE_INVALID'
  | 'SIGNER_UNTRUSTED'
  | 'TRUST_INVALID'
  | 'ENVELOPE_MISDIRECTED'
  | 'ENVELOPE_EXPIRED'
  | 'MERKLE_PROOF_INVALID';

export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.code = code;
  }
}

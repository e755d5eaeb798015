/** What went wrong at the client. SPEC.md §1 says which check yields which code, and what `party` then proves. */
export const OWN_CODES = [
  'ABSENCE_INVALID',
  'ANSWER_INCOMPLETE',
  'ARGUMENT_INVALID',
  'BODY_INVALID',
  'BODY_UNAVAILABLE',
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_REVOKED',
  'CERTIFICATE_UNTRUSTED',
  'CFRAG_INVALID',
  'COMMITMENT_MISMATCH',
  'DOSSIER_MALFORMED',
  'FEDERATION_MISMATCH',
  'GRANT_NOT_ACTIVE',
  'GRANT_REVOKED',
  'HEADER_INVALID',
  'HEADER_MISMATCH',
  'KEYSTORE_CORRUPT',
  'KEYSTORE_EXISTS',
  'KEYSTORE_EXPOSED',
  'KEYSTORE_LOCKED',
  'KEY_CERTIFICATE_INVALID',
  'NOT_RELEASED',
  'OUTCOME_INVALID',
  'OUTCOME_MISMATCH',
  'PATIENT_KEY_CHANGED',
  'PATIENT_NOT_PINNED',
  'PINS_CORRUPT',
  'POSSESSION_UNPROVEN',
  'PROXY_KEY_INVALID',
  'PUBLISH_UNCERTAIN',
  'RECEIPT_INVALID',
  'REGION_ENTRY_INVALID',
  'REGION_FROZEN',
  'REGION_UNKNOWN',
  'REGISTRATION_INVALID',
  'REPLY_MALFORMED',
  'REPLY_TOO_LARGE',
  'REQUEST_INVALID',
  'REVOCATION_UNDELIVERED',
  'ROTATION_INVALID',
  'SCOPE_KEY_UNSIGNED',
  'SCOPE_UNBOUND',
  'SHARE_INVALID',
  'TIMEOUT',
  'TOO_FEW_PROXIES',
  'TOO_FEW_SHARES',
  'UNREACHABLE',
] as const;
export type OwnErrorCode = (typeof OWN_CODES)[number];

/** One of ours; or, when {@link ClientError.status} is there, the code a relay or proxy answered with. */
export type ClientErrorCode = OwnErrorCode | (string & Record<never, never>);

export interface ClientErrorDetails extends ErrorOptions {
  readonly party?: string | undefined;
  readonly status?: number | undefined;
}

/** The only error this package throws on purpose. Its message holds no secret and nothing that identifies a patient. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  /** The party that can be shown to be at fault, if one is: a region, or an organisation by its MSP id. */
  declare readonly party?: string;
  /** HTTP status, when a relay or proxy refused. */
  declare readonly status?: number;

  constructor(code: ClientErrorCode, message: string, { party, status, ...options }: ClientErrorDetails = {}) {
    super(`${code}: ${message}`, options);
    this.code = code;
    if (party !== undefined) this.party = party;
    if (status !== undefined) this.status = status;
  }
}

/** The `code` of an error of any of our packages. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The organisation whose proxy's share did not hold, if that is what went wrong: an answer can be had without it. */
export function faultyProxy(error: unknown): string | undefined {
  const code = codeOf(error);
  if (code !== 'SHARE_INVALID' && code !== 'CFRAG_INVALID') return undefined;
  return error instanceof ClientError ? error.party : undefined;
}

/** Runs a check; whatever it throws becomes a {@link ClientError} with this code, the original as its cause. */
export function checked<T>(code: OwnErrorCode, what: string, check: () => T, party?: string): T {
  try {
    return check();
  } catch (cause) {
    throw fault(code, what, cause, party);
  }
}

/** A {@link ClientError} about `cause`; one that already is keeps its code. */
export function fault(code: OwnErrorCode, what: string, cause: unknown, party?: string): ClientError {
  if (cause instanceof ClientError) return cause;
  const inner = codeOf(cause);
  return new ClientError(code, inner === undefined ? what : `${what} (${inner})`, { cause, party });
}

/** Why the authority refuses, and the HTTP status that says so. */
const STATUS = {
  MALFORMED: 400,
  FEDERATION_MISMATCH: 400,
  NATIONAL_ID_INVALID: 422,
  SYSTEM_UNKNOWN: 422,
  NOT_FOUND: 404,
  TOO_LARGE: 413,
  INTERNAL: 500,
  SIGNER_UNTRUSTED: 403,
  ROLE_REQUIRED: 403,
  DOCUMENT_STALE: 403,
  REPLAYED: 409,
  TOO_MANY_REQUESTS: 429,
  CONFIG_INVALID: 500,
  REGISTRY_UNAVAILABLE: 503,
  AUDIT_UNAVAILABLE: 503,
  DISK_FULL: 507,
  UNREACHABLE: 502,
} as const;

export type PseudonymErrorCode = keyof typeof STATUS;

export class PseudonymError extends Error {
  override readonly name = 'PseudonymError';
  readonly code: PseudonymErrorCode;

  constructor(code: PseudonymErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return STATUS[this.code];
  }
}

export function isPseudonymErrorCode(code: unknown): code is PseudonymErrorCode {
  return typeof code === 'string' && Object.hasOwn(STATUS, code);
}

import { LedgerError } from '@yilian/ledger';
import { VerifyError } from '@yilian/ledger/verify';
import { PreError } from '@yilian/pre';
import { ProtocolError } from '@yilian/protocol';

export type ProxyErrorCode =
  | 'ABANDONED'
  | 'CHAIN_BEHIND'
  | 'CHECKPOINT_MISMATCH'
  | 'CLOCK_SKEW'
  | 'COMMITMENT_MISMATCH'
  | 'CONFIG_INVALID'
  | 'DISK_FULL'
  | 'ENVELOPE_REPLAYED'
  | 'EPOCH'
  | 'FEDERATION_MISMATCH'
  | 'FRAGMENTS_INVALID'
  | 'FRAGMENTS_UNKNOWN'
  | 'GRANT_MISMATCH'
  | 'HEADER_MISMATCH'
  | 'HEIGHT_MISMATCH'
  | 'KEY_MISMATCH'
  | 'KIND_UNKNOWN'
  | 'LOG_BEHIND'
  | 'NOT_COMMITTED'
  | 'NOT_FOUND'
  | 'NOT_READY'
  | 'NOT_RELEASED'
  | 'PERIOD'
  | 'PROXY_UNKNOWN'
  | 'PURPOSE'
  | 'REGION_FOREIGN'
  | 'REGION_FROZEN'
  | 'REGION_UNKNOWN'
  | 'RELAY_UNTRUSTED'
  | 'RELEASE_EXPIRED'
  | 'RELEASE_MISMATCH'
  | 'REVOKED'
  | 'STORE_BROKEN'
  | 'STORE_LOCKED'
  | 'TIME_MISMATCH'
  | 'TRANSACTION_INVALID'
  | 'TRUST_EXPIRED';

/** Thrown by the proxy. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code: ProxyErrorCode;

  constructor(code: ProxyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** HTTP status of every code. Unlisted ones are 404 when they end in `_UNKNOWN`, else 422. */
const STATUS: Readonly<Record<string, number>> = {
  ABANDONED: 499,
  ARGUMENT_MALFORMED: 400,
  BYTES_INVALID: 400,
  CERTIFICATE_EXPIRED: 403,
  CERTIFICATE_REVOKED: 403,
  CERTIFICATE_UNTRUSTED: 403,
  CHAIN_BEHIND: 503,
  CHECKPOINT_MISMATCH: 409,
  CLOCK_SKEW: 503,
  DISK_FULL: 507,
  DOCUMENT_MALFORMED: 400,
  ENVELOPE_EXPIRED: 403,
  ENVELOPE_MISDIRECTED: 403,
  ENVELOPE_REPLAYED: 409,
  HEIGHT_MISMATCH: 409,
  KIND_UNKNOWN: 400,
  LEDGER_UNAVAILABLE: 503,
  LOG_BEHIND: 503,
  MALFORMED: 400,
  NOT_COMMITTED: 503,
  NOT_FOUND: 404,
  NOT_READY: 503,
  PERIOD: 403,
  REGION_FOREIGN: 403,
  REGION_FROZEN: 403,
  REGION_UNKNOWN: 403,
  RELAY_UNTRUSTED: 403,
  RELEASE_EXPIRED: 410,
  REVOKED: 403,
  SIGNATURE_INVALID: 401,
  SIGNATURE_MISSING: 401,
  SIGNER_UNTRUSTED: 403,
  STORE_BROKEN: 500,
  TOO_LARGE: 413,
  TOO_MANY_REQUESTS: 429,
  TRUST_EXPIRED: 410,
  UNSUPPORTED_MEDIA_TYPE: 415,
};

/** What a caller is told: never a stack trace, never the text of an error nobody foresaw. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** The one place where errors become HTTP answers. */
export function refusal(error: unknown): Refusal {
  const told = (code: string, message: string): Refusal => ({ status: statusOf(code), code, message });
  if (error instanceof LedgerError) {
    const { contractCode } = error;
    return error.code === 'CONTRACT' && contractCode !== undefined
      ? told(contractCode, 'the chain refused')
      : told('LEDGER_UNAVAILABLE', 'the ledger did not answer');
  }
  if (error instanceof PreError) return told(error.code, 'keys, capsules or fragments do not fit');
  if (error instanceof ProxyError || error instanceof ProtocolError || error instanceof VerifyError)
    return told(error.code, error.message.slice(0, 256));
  return fastifyRefusal(error) ?? { status: 500, code: 'INTERNAL', message: 'the proxy failed' };
}

/** Whether a contract refused with this code. */
export function isRefusal(error: unknown, code: string): boolean {
  return error instanceof LedgerError && error.contractCode === code;
}

/** The code of an error, for logs and figures. */
export function codeOf(error: unknown): string {
  return refusal(error).code;
}

function statusOf(code: string): number {
  return STATUS[code] ?? (code.endsWith('_UNKNOWN') ? 404 : 422);
}

function fastifyRefusal(error: unknown): Refusal | undefined {
  const { statusCode } = error as { readonly statusCode?: unknown };
  if (!(error instanceof Error) || typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499)
    return undefined;
  if (statusCode === 413) return { status: 413, code: 'TOO_LARGE', message: 'the body is too large' };
  if (statusCode === 415) return { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE', message: 'send application/json' };
  if (statusCode === 429) return { status: 429, code: 'TOO_MANY_REQUESTS', message: 'slow down' };
  return { status: 400, code: 'MALFORMED', message: 'the request cannot be read' };
}

import { LedgerError } from '@yilian/ledger';
import { VerifyError } from '@yilian/ledger/verify';
import { ProtocolError } from '@yilian/protocol';

export type RelayErrorCode =
  | 'ANSWER_INVALID'
  | 'ATTESTATIONS_MISSING'
  | 'BUSY'
  | 'CONFIG_INVALID'
  | 'ENVELOPE_REPLAYED'
  | 'FEDERATION_MISMATCH'
  | 'FOREIGN'
  | 'HEADER_REPLACED'
  | 'JOB_INVALID'
  | 'KEY_CERTIFICATE_MISMATCH'
  | 'KIND_UNKNOWN'
  | 'LETTER_UNKNOWN'
  | 'MALFORMED'
  | 'NOT_FOUND'
  | 'OPERATOR_ONLY'
  | 'PAGE_PENDING'
  | 'PAGE_REFUSED'
  | 'QUERY_STALE'
  | 'QUEUE_UNAVAILABLE'
  | 'REDIS_UNSAFE'
  | 'RECEIPT_REFUSED'
  | 'REGION_FROZEN'
  | 'REGION_MISMATCH'
  | 'REGION_UNKNOWN'
  | 'REMOTE_REFUSED'
  | 'REMOTE_UNREACHABLE'
  | 'RELAY_UNTRUSTED'
  | 'REQUEST_UNKNOWN'
  | 'SHARES_MISSING'
  | 'TOO_LARGE'
  | 'VIEW_STALE';

/** Thrown by the relay. `remoteCode` is what the other side of a call answered. */
export class RelayError extends Error {
  override readonly name = 'RelayError';
  readonly code: RelayErrorCode;
  readonly remoteCode?: string;

  constructor(code: RelayErrorCode, message: string, options?: ErrorOptions & { readonly remoteCode?: string }) {
    super(message, options);
    this.code = code;
    if (options?.remoteCode !== undefined) this.remoteCode = options.remoteCode;
  }
}

/** The `CODE` of a contract's refusal, if the error is one. */
export function refusalOf(error: unknown): string | undefined {
  return error instanceof LedgerError && error.code === 'CONTRACT' ? (error.contractCode ?? 'REFUSED') : undefined;
}

/** HTTP status of every code. Unlisted ones are 404 when they end in `_UNKNOWN`, else 422. */
const STATUS: Readonly<Record<string, number>> = {
  ANSWER_INVALID: 502,
  ARGUMENT_MALFORMED: 400,
  ATTESTATIONS_MISSING: 503,
  BUSY: 429,
  BYTES_INVALID: 400,
  CERTIFICATE_INVALID: 403,
  CERTIFICATE_EXPIRED: 403,
  CERTIFICATE_REVOKED: 403,
  CERTIFICATE_UNTRUSTED: 403,
  CLOCK_SKEW: 503,
  DECIDED: 409,
  DOCUMENT_MALFORMED: 400,
  ENVELOPE_EXPIRED: 403,
  ENVELOPE_MISDIRECTED: 403,
  ENVELOPE_REPLAYED: 409,
  FOREIGN: 404,
  HEADER_REPLACED: 409,
  KIND_UNKNOWN: 400,
  LEDGER_UNAVAILABLE: 503,
  MALFORMED: 400,
  NOT_FOUND: 404,
  OPERATOR_ONLY: 401,
  PAGE_PENDING: 503,
  PSEUDONYM_TAKEN: 409,
  QUEUE_UNAVAILABLE: 503,
  REGION_FROZEN: 403,
  RELAY_UNTRUSTED: 403,
  REMOTE_REFUSED: 502,
  REMOTE_UNREACHABLE: 502,
  REQUEST_EXPIRED: 410,
  ROLE_REQUIRED: 403,
  ROOTS_STALE: 503,
  SHARES_MISSING: 503,
  SIGNATURE_INVALID: 401,
  SIGNATURE_MISSING: 401,
  SIGNER_UNTRUSTED: 403,
  TOO_LARGE: 413,
  TOO_MANY_REQUESTS: 429,
  UNSUPPORTED_MEDIA_TYPE: 415,
  VIEW_STALE: 503,
};

/** What a client is told: never a stack trace, never text of an error nobody foresaw. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

function statusOf(code: string): number {
  return STATUS[code] ?? (code.endsWith('_UNKNOWN') ? 404 : 422);
}

/** The one place where errors become HTTP answers. */
export function refusal(error: unknown): Refusal {
  if (error instanceof LedgerError) {
    const code = error.code === 'CONTRACT' ? (error.contractCode ?? 'REFUSED') : 'LEDGER_UNAVAILABLE';
    const message = error.code === 'CONTRACT' ? error.message.replace(`${code}: `, '') : 'the ledger did not answer';
    return { status: statusOf(code), code, message: message.slice(0, 512) };
  }
  if (error instanceof RelayError || error instanceof ProtocolError || error instanceof VerifyError) {
    return { status: statusOf(error.code), code: error.code, message: error.message.slice(0, 512) };
  }
  if (isRedisError(error))
    return { status: statusOf('QUEUE_UNAVAILABLE'), code: 'QUEUE_UNAVAILABLE', message: 'Redis is not answering' };
  return fastifyRefusal(error) ?? { status: 500, code: 'INTERNAL', message: 'the relay failed' };
}

const REDIS_ERRORS = new Set(['ReplyError', 'MaxRetriesPerRequestError']);
const REDIS_GONE = new Set(['Command timed out', 'Connection is closed.']);

/** What ioredis throws when Redis is gone, hangs, or refuses to write because its disk is full. */
function isRedisError(error: unknown): boolean {
  return error instanceof Error && (REDIS_ERRORS.has(error.name) || REDIS_GONE.has(error.message));
}

function fastifyRefusal(error: unknown): Refusal | undefined {
  if (!(error instanceof Error)) return undefined;
  const { validation, statusCode } = error as Error & { validation?: unknown; statusCode?: number };
  if (validation !== undefined) return { status: 400, code: 'MALFORMED', message: error.message.slice(0, 512) };
  if (statusCode === 413) return { status: 413, code: 'TOO_LARGE', message: 'the body is too large' };
  if (statusCode === 415) return { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE', message: 'send application/json' };
  if (statusCode === 429) return { status: 429, code: 'TOO_MANY_REQUESTS', message: 'slow down' };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { status: 400, code: 'MALFORMED', message: 'the request cannot be read' };
  return undefined;
}

import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { gateway, google } from '@hyperledger/fabric-protos';

/** Why an embedded node did not open, serve or pass its own audit. */
export type EmbeddedErrorCode =
  | 'CHAIN_BROKEN'
  | 'CONFIG_INVALID'
  | 'INSECURE'
  | 'STORE_CORRUPT'
  | 'STORE_FAILED'
  | 'STORE_FULL'
  | 'STORE_LOCKED'
  | 'STORE_MISMATCH';

/** Thrown to the operator of an embedded node. Its clients meet gRPC status codes instead, as on real Fabric. */
export class EmbeddedError extends Error {
  readonly code: EmbeddedErrorCode;

  constructor(code: EmbeddedErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedError';
    this.code = code;
  }
}

/** What one peer answered, as fabric-gateway shows it in `details`. */
export interface PeerFault {
  readonly mspId: string;
  readonly message: string;
}

/** Trailers of one call must fit into 64 KiB of HTTP/2 headers, percent-encoded and in base64. */
const MAX_MESSAGE_BYTES = 4096;
const MAX_DETAILS = 8;

export const DETAILS_KEY = 'grpc-status-details-bin';

/** A call refused with a gRPC status. */
export class RpcError extends Error {
  readonly code: status;
  /** `google.rpc.Status` */
  readonly details: Buffer | undefined;

  /** @param faults or the details as another gateway gave them */
  constructor(code: status, message: string, faults: readonly PeerFault[] | Buffer = []) {
    super(truncate(message));
    this.name = 'RpcError';
    this.code = code;
    if (Buffer.isBuffer(faults)) this.details = faults;
    else if (faults.length > 0) this.details = detailsOf(code, this.message, faults);
  }
}

/** The error gRPC clients see. Anything but an `RpcError` is a fault of the node itself and says nothing outside. */
export function toServiceError(error: unknown): ServiceError {
  const { code, message, details } =
    error instanceof RpcError ? error : new RpcError(status.INTERNAL, 'internal error of the embedded node');
  const metadata = new Metadata();
  if (details) metadata.set(DETAILS_KEY, details);
  return Object.assign(new Error(`${code} ${status[code]}: ${message}`), { code, details: message, metadata });
}

/** The status of a call whose client gave up or ran out of time. */
export function expired(signal: AbortSignal, message: string): RpcError {
  const reason: unknown = signal.reason;
  return reason instanceof RpcError ? reason : new RpcError(status.DEADLINE_EXCEEDED, message);
}

/** @throws RpcError INVALID_ARGUMENT when the bytes cannot be read */
export function decoded<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (error) {
    throw new RpcError(status.INVALID_ARGUMENT, `${what}: ${(error as Error).message}`);
  }
}

/** What clients hear of a store that fails. */
export function notWritten(error: unknown): unknown {
  if (!(error instanceof EmbeddedError)) return error;
  return new RpcError(status.UNAVAILABLE, `the block could not be written (${error.code}): ${error.message}`);
}

function detailsOf(code: status, message: string, faults: readonly PeerFault[]): Buffer {
  const result = new google.rpc.Status();
  result.setCode(code);
  result.setMessage(message);
  for (const fault of faults.slice(0, MAX_DETAILS)) {
    const detail = new gateway.ErrorDetail();
    detail.setAddress(`embedded/${fault.mspId}`);
    detail.setMspId(fault.mspId);
    detail.setMessage(truncate(fault.message));
    const any = result.addDetails();
    any.setTypeUrl('type.googleapis.com/gateway.ErrorDetail');
    any.setValue(detail.serializeBinary());
  }
  return Buffer.from(result.serializeBinary());
}

function truncate(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_MESSAGE_BYTES) return text;
  return `${bytes
    .subarray(0, MAX_MESSAGE_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '')}…`;
}

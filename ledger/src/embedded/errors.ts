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

/** A call refused with a gRPC status. */
export class RpcError extends Error {
  readonly code: status;
  readonly faults: readonly PeerFault[];

  constructor(code: status, message: string, faults: readonly PeerFault[] = []) {
    super(truncate(message));
    this.name = 'RpcError';
    this.code = code;
    this.faults = faults;
  }
}

/** The error gRPC clients see. Anything but an `RpcError` is a fault of the node itself and says nothing outside. */
export function toServiceError(error: unknown): ServiceError {
  const { code, message, faults } =
    error instanceof RpcError ? error : new RpcError(status.INTERNAL, 'internal error of the embedded node');
  const metadata = new Metadata();
  if (faults.length > 0) metadata.set('grpc-status-details-bin', detailsOf(code, message, faults));
  return Object.assign(new Error(`${code} ${status[code]}: ${message}`), { code, details: message, metadata });
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

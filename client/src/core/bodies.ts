import { base32nopad } from '@scure/base';
import { type ByteRange, sha256 } from '@yilian/pre';
import { fromBase64url, type ReleasedRecord } from '@yilian/protocol';
import type { ProvenLeg } from './answers.ts';
import { ClientError } from './client-error.ts';

/** Where sealed bodies are read by content identifier, every block checked against it: a `Vault`, for one. */
export interface BodyVault {
  get(cid: string, options: { sizeBytes: number; signal?: AbortSignal | undefined }): AsyncIterable<Uint8Array>;
}

/** A vault; or a function that reads the sealed body of the one record, whole or a half-open range of it. */
export type BodySource = BodyVault | ((range?: ByteRange) => AsyncIterable<Uint8Array>);

/** The sealed body, and whose fault it is if it does not open. */
export interface SealedBody {
  readonly bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly party: string;
}

/** First bytes of a CIDv1 of one raw block hashed with SHA-256. */
const RAW_SHA256 = [0x01, 0x55, 0x12, 0x20];

/**
 * The body that rode along in the answer, else from the source. When its bytes are those the chain's CID names, what
 * they hold is the custodian's doing; else the home region's, which served them.
 * @throws BODY_UNAVAILABLE
 */
export function sealedBody(
  leg: ProvenLeg,
  record: ReleasedRecord,
  source: BodySource | undefined,
  signal: AbortSignal | undefined,
): SealedBody {
  const riding = leg.answer.bodies.find(({ recordId }) => recordId === record.recordId);
  const bytes = riding && fromBase64url(riding.sealed);
  const named = bytes && isNamed(record.cid, bytes);
  if (bytes !== undefined && (named !== false || source === undefined))
    return { bytes: [bytes], party: named === true ? record.custodian : leg.region };
  if (source === undefined) throw new ClientError('BODY_UNAVAILABLE', 'the sealed body is not in the answer');
  if (typeof source === 'function') return { bytes: source(), party: leg.region };
  return { bytes: source.get(record.cid, { sizeBytes: record.sizeBytes, signal }), party: record.custodian };
}

/** Whether the CID names these bytes; nothing for a CID of several blocks, which the bytes alone do not show. */
function isNamed(cid: string, bytes: Uint8Array): boolean | undefined {
  if (!cid.startsWith('bafkrei')) return undefined;
  return cid === `b${base32nopad.encode(Uint8Array.from([...RAW_SHA256, ...sha256(bytes)])).toLowerCase()}`;
}

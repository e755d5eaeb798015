import { deflateRawSync, inflateRawSync } from 'node:zlib';
import {
  canonicalJson,
  fromBase64url,
  type OutcomeProof,
  ProtocolError,
  parseCanonical,
  parseOutcomeProof,
  toBase64url,
} from '@yilian/protocol';

const MAX_PROOFS = 64;
/** Of what is packed, however small it was made. */
const MAX_UNPACKED_BYTES = 8 * 1024 * 1024;
const LENGTH_BYTES = 4;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Proofs as a chain keeps them (SPEC.md §7 of the protocol): the same few certificates and the request stand in each several
 * times over, and in base64url within JSON nothing shows it. Nothing is left out, so that whoever reads the ledger has the
 * proofs themselves.
 * @throws ProtocolError BYTES_INVALID for an envelope in no base64url
 */
export function packProofs(proofs: readonly OutcomeProof[]): string {
  const parts = proofs.flatMap(({ envelope, ...rest }) => [fromBase64url(envelope), Buffer.from(canonicalJson(rest))]);
  return toBase64url(deflateRawSync(Buffer.concat(parts.flatMap((part) => [lengthOf(part), part])), { level: 9 }));
}

/**
 * Takes packed proofs apart, each checked in its shape alone.
 * @throws ProtocolError ARGUMENT_MALFORMED ARGUMENT_TOO_LARGE DOCUMENT_MALFORMED
 */
export function unpackProofs(text: string): OutcomeProof[] {
  const parts = partsOf(inflated(bytesOf(text)));
  if (parts.length === 0 || parts.length % 2 === 1) throw malformed('not pairs of envelope and attestations');
  if (parts.length > 2 * MAX_PROOFS) throw malformed(`more than ${MAX_PROOFS} proofs`);
  const proofs: OutcomeProof[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const [envelope, rest] = parts.slice(index, index + 2) as [Uint8Array, Uint8Array];
    const value = parseCanonical(textOf(rest), MAX_UNPACKED_BYTES);
    if (typeof value !== 'object' || value === null || 'envelope' in value)
      throw malformed('not a proof’s other members');
    proofs.push(parseOutcomeProof({ ...value, envelope: toBase64url(envelope) }));
  }
  return proofs;
}

function bytesOf(text: string): Uint8Array {
  try {
    return fromBase64url(text);
  } catch (cause) {
    throw malformed('not base64url', cause);
  }
}

/** One stream of RFC 1951 and nothing behind it. */
function inflated(bytes: Uint8Array): Uint8Array {
  try {
    const { buffer, engine } = inflateRawSync(bytes, {
      maxOutputLength: MAX_UNPACKED_BYTES,
      info: true,
    }) as unknown as {
      readonly buffer: Uint8Array;
      readonly engine: { readonly bytesWritten: number };
    };
    if (engine.bytesWritten !== bytes.length) throw malformed('something stands behind the packed proofs');
    return buffer;
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE')
      throw new ProtocolError('ARGUMENT_TOO_LARGE', `more than ${MAX_UNPACKED_BYTES} bytes`, { cause });
    throw malformed('not packed', cause);
  }
}

function partsOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + LENGTH_BYTES > bytes.length) throw malformed('cut short');
    const start = at + LENGTH_BYTES;
    at = start + view.getUint32(at);
    if (at > bytes.length) throw malformed('cut short');
    parts.push(bytes.subarray(start, at));
  }
  return parts;
}

function lengthOf(part: Uint8Array): Uint8Array {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(part.length);
  return length;
}

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw malformed('not UTF-8', cause);
  }
}

function malformed(why: string, cause?: unknown): ProtocolError {
  return new ProtocolError('ARGUMENT_MALFORMED', why, { cause });
}

import {
  type Capsule,
  type ContentSecret,
  commitment,
  openBody,
  openHeader,
  PublicKey,
  ReceiverCache,
  type SecretKey,
} from '@yilian/pre';
import { fromBase64url, headerContext, type ReleasedRecord, toBase64url } from '@yilian/protocol';
import { startSha256 } from '#sha256';
import type { ProvenLeg } from './answers.ts';
import { type BodySource, sealedBody } from './bodies.ts';
import { ClientError, codeOf, fault } from './client-error.ts';
import {
  type BoundShare,
  capsulesOf,
  checkBinding,
  checkCfrag,
  checkHeaders,
  type ReleaseContext,
  releaseOf,
  scopeOf,
  unsealShare,
} from './shares.ts';

export interface OpenOptions {
  /** Where the sealed body is; not needed when it came with the answer. */
  readonly body?: BodySource | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Gets the plaintext bytes authenticated so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** Hears of shares that were refused while enough others held. */
  readonly onFault?: ((error: ClientError) => void) | undefined;
}

/** A release with everything in it that is the same for all its records. */
export interface UnsealedRelease extends ReleaseContext {
  readonly headers: readonly Uint8Array[];
  readonly capsules: readonly Capsule[];
  readonly shares: readonly BoundShare[];
  readonly faults: readonly ClientError[];
  readonly overtaken: boolean;
  /** What is the same for all records of a scope. */
  readonly cache: ReceiverCache;
}

/** Unseals the shares of a release and checks their bindings. @throws NOT_RELEASED HEADER_MISMATCH HEADER_INVALID */
export function unsealRelease(leg: ProvenLeg, secret: SecretKey): UnsealedRelease {
  const release = releaseOf(leg.outcome);
  const context: ReleaseContext = { ...leg, release };
  const byRecord = new Map(leg.answer.headers.map(({ recordId, header }) => [recordId, header]));
  const headers = checkHeaders(
    release,
    release.records.map(({ recordId }) => fromBase64url(byRecord.get(recordId) ?? '')),
  );
  const capsules = capsulesOf(release, headers);
  const shares = new Map<string, BoundShare>();
  const faults: ClientError[] = [];
  for (const { mspId, sealed, certificate, signature } of leg.answer.shares) {
    try {
      const share = { mspId, certificate, signature, cfrags: unsealShare(context, { mspId, sealed }, secret) };
      checkBinding(context, capsules, share);
      shares.set(mspId, share);
    } catch (error) {
      faults.push(fault('SHARE_INVALID', `the share of ${mspId} cannot be judged`, error, mspId));
    }
  }
  return {
    ...context,
    headers,
    capsules,
    shares: [...shares.values()],
    faults,
    overtaken: leg.overtaken,
    cache: new ReceiverCache(),
  };
}

/**
 * The key and salt of one record, from the first shares whose fragments hold.
 * @throws GRANT_REVOKED when the patient was faster; TOO_FEW_SHARES, or the fault of a share when without it there would be enough; HEADER_INVALID
 */
export function openRecordHeader(
  unsealed: UnsealedRelease,
  record: ReleasedRecord,
  secret: SecretKey,
  onFault: (error: ClientError) => void = () => undefined,
): ContentSecret {
  const { outcome, release, headers, capsules, shares, cache } = unsealed;
  const index = release.records.findIndex(({ recordId }) => recordId === record.recordId);
  const [capsule, header] = [capsules[index], headers[index]];
  if (capsule === undefined || header === undefined)
    throw new ClientError('NOT_RELEASED', 'the record is not in this release');
  const { scope, epoch, scopeKey, threshold } = scopeOf(outcome, record);
  const faults = [...unsealed.faults];
  const cfrags = [];
  for (const { mspId, cfrags: fragments } of shares) {
    if (cfrags.length === threshold) break;
    try {
      cfrags.push(checkCfrag(unsealed, record, capsule, { mspId, bytes: fragments[index] as Uint8Array }, cache));
    } catch (error) {
      faults.push(fault('CFRAG_INVALID', `a fragment of ${mspId} cannot be judged`, error, mspId));
    }
  }
  if (cfrags.length < threshold && unsealed.overtaken)
    throw new ClientError('GRANT_REVOKED', 'the patient revoked before the release was carried out');
  if (cfrags.length < threshold)
    throw faults[0] ?? new ClientError('TOO_FEW_SHARES', `${cfrags.length} of ${threshold} shares are here`);
  for (const error of faults) onFault(error);
  const { federation, region, pseudonym } = outcome;
  try {
    return openHeader({
      receivingKey: secret,
      delegatingKey: PublicKey.fromBase64url(scopeKey),
      header,
      context: headerContext({ federation, region, recordId: record.recordId, pseudonym, scope, epoch }),
      cfrags,
      cache,
    });
  } catch (error) {
    if (codeOf(error) === 'HEADER_INVALID')
      throw fault('HEADER_INVALID', 'the key header was sealed for something else', error, record.custodian);
    throw fault('TOO_FEW_SHARES', 'the fragments do not open the capsule together', error);
  }
}

/**
 * Opens a record as it arrives. Its last piece is handed out only after the whole plaintext was held against the
 * commitment on the chain: whoever has read to the end without an error has exactly what the custodian registered.
 * Before the end every byte is authentic, but the record is not verified (see {@link openToSink}).
 * @throws BODY_INVALID BODY_UNAVAILABLE COMMITMENT_MISMATCH, each naming who is at fault; the reason of an aborted signal
 */
export async function* openRecordBody(
  leg: ProvenLeg,
  record: ReleasedRecord,
  secret: ContentSecret,
  { body, signal, onProgress }: OpenOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { bytes, party } = sealedBody(leg, record, body, signal);
  const hash = startSha256();
  let opened = 0;
  let held: Uint8Array | undefined;
  try {
    for await (const piece of openBody(secret.key, bytes, { sealedSize: record.sizeBytes })) {
      signal?.throwIfAborted();
      hash.update(piece);
      opened += piece.length;
      onProgress?.(opened);
      if (held !== undefined) yield held;
      held = piece;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (codeOf(error)?.startsWith('BODY_') === true)
      throw fault('BODY_INVALID', 'the sealed body is not the one that was published', error, party);
    throw fault('BODY_UNAVAILABLE', 'the sealed body cannot be read', error);
  }
  if (toBase64url(commitment(secret.salt, hash.digest())) !== record.commitment)
    throw new ClientError('COMMITMENT_MISMATCH', 'the record is not the one its custodian committed to', {
      party: record.custodian,
    });
  if (held !== undefined) yield held;
}

import type { Identity } from '@yilian/ledger/verify';
import {
  bindingMessage,
  type Capsule,
  CapsuleFrag,
  type CapsuleFragKeys,
  CFRAG_BYTES,
  headerCapsule,
  openSealed,
  PreError,
  PublicKey,
  type ReceiverCache,
  type SecretKey,
  sha256,
  type VerifiedCapsuleFrag,
} from '@yilian/pre';
import {
  cfragContext,
  digest,
  fromBase64url,
  identify,
  type Outcome,
  type Release,
  type ReleasedRecord,
  ROLE_ATTRIBUTE,
  type Trust,
} from '@yilian/protocol';
import { ClientError, checked } from './client-error.ts';
import { type PermittedScope, permittedScopes } from './outcomes.ts';

/** What a release is about, and the transaction that made it. */
export interface ReleaseContext {
  readonly outcome: Outcome;
  readonly release: Release;
  readonly transactionId: string;
  readonly trusts: readonly Trust[];
  /** Epoch milliseconds at which the proxies' certificates must be in force. */
  readonly at: number;
}

/** A proxy's part of a release whose binding holds: its fragments, one for each record, not yet tried on any capsule. */
export interface BoundShare {
  readonly mspId: string;
  readonly certificate: string;
  /** Base64url. */
  readonly signature: string;
  /** 359 bytes each, in the release's order. */
  readonly cfrags: readonly Uint8Array[];
}

/** @throws NOT_RELEASED */
export function releaseOf(outcome: Outcome): Release {
  if (outcome.release === undefined) throw new ClientError('NOT_RELEASED', `the outcome is ${outcome.outcome}`);
  return outcome.release;
}

/** The key headers in the release's order, each the one whose hash the home chain endorsed. @throws HEADER_MISMATCH */
export function checkHeaders(release: Release, headers: readonly Uint8Array[]): Uint8Array[] {
  return release.records.map(({ headerHash }, index) => {
    const header = headers[index];
    if (header === undefined || digest(header) !== headerHash)
      throw new ClientError('HEADER_MISMATCH', 'a key header is not the one that was released');
    return header;
  });
}

/** The capsules of checked headers. @throws HEADER_INVALID naming the custodian that published the header */
export function capsulesOf(release: Release, headers: readonly Uint8Array[]): Capsule[] {
  return release.records.map(({ custodian }, index) =>
    checked('HEADER_INVALID', 'a key header is none', () => headerCapsule(headers[index] as Uint8Array), custodian),
  );
}

/** Unseals what a proxy sent and takes it apart. @throws SHARE_INVALID naming the organisation */
export function unsealShare(
  { outcome, release, transactionId }: ReleaseContext,
  { mspId, sealed }: { readonly mspId: string; readonly sealed: string },
  secret: SecretKey,
): Uint8Array[] {
  return checked(
    'SHARE_INVALID',
    `the share of ${mspId} cannot be unsealed`,
    () => {
      const context = cfragContext(outcome.federation, outcome.requestId, transactionId, mspId);
      const plaintext = openSealed(secret, fromBase64url(sealed), context);
      if (plaintext.length !== CFRAG_BYTES * release.records.length)
        throw new ClientError('SHARE_INVALID', `the share of ${mspId} has not one fragment for each record`, {
          party: mspId,
        });
      return release.records.map((_, index) => plaintext.slice(index * CFRAG_BYTES, (index + 1) * CFRAG_BYTES));
    },
    mspId,
  );
}

/**
 * Checks that a proxy of the region bound these fragments to this request, transaction, recipient and capsules.
 * @throws SHARE_INVALID naming the organisation
 */
export function checkBinding(context: ReleaseContext, capsules: readonly Capsule[], share: BoundShare): Identity {
  const { outcome, release, transactionId, trusts, at } = context;
  const { mspId } = share;
  const refused = (why: string) => new ClientError('SHARE_INVALID', `the share of ${mspId} ${why}`, { party: mspId });
  if (share.cfrags.length !== capsules.length) throw refused('has not one fragment for each record');
  const scopes = new Set(
    permittedScopes(outcome)
      .filter(({ proxies }) => proxies.includes(mspId))
      .map(({ scope }) => scope),
  );
  if (!release.records.every(({ scope }) => scopes.has(scope))) throw refused('is of no proxy of this grant');
  return checked(
    'SHARE_INVALID',
    `the share of ${mspId} is not bound to this release`,
    () => {
      const identity = identify(trusts, mspId, share.certificate, at);
      if (identity.attributes[ROLE_ATTRIBUTE] !== 'proxy') throw refused('is not signed by a proxy');
      const message = bindingMessage({
        federation: outcome.federation,
        requestId: outcome.requestId,
        transactionId,
        recipientKeyHash: sha256(fromBase64url(release.receivingKey)),
        items: capsules.map((capsule, index) => ({
          capsuleHash: sha256(capsule.toBytes()),
          cfragHash: sha256(share.cfrags[index] as Uint8Array),
        })),
      });
      if (!identity.verify(message, fromBase64url(share.signature))) throw refused('is not signed for this release');
      return identity;
    },
    mspId,
  );
}

/**
 * Tries one fragment of a bound share on its capsule. A failure is the organisation's own: it signed the fragment.
 * @throws CFRAG_INVALID naming the organisation
 */
export function checkCfrag(
  context: Pick<ReleaseContext, 'outcome' | 'release'>,
  record: ReleasedRecord,
  capsule: Capsule,
  { mspId, bytes }: { readonly mspId: string; readonly bytes: Uint8Array },
  cache: ReceiverCache,
): VerifiedCapsuleFrag {
  return checked(
    'CFRAG_INVALID',
    notOfCapsule(mspId),
    () => CapsuleFrag.fromBytes(bytes).verify(capsule, cfragKeys(context, record), cache),
    mspId,
  );
}

/**
 * Tries every fragment of a bound share on its capsule, those of a scope at once: in two thirds of the time that one after
 * the other would take.
 * @throws CFRAG_INVALID naming the organisation
 */
export function checkCfrags(
  context: Pick<ReleaseContext, 'outcome' | 'release'>,
  capsules: readonly Capsule[],
  { mspId, cfrags }: BoundShare,
  cache: ReceiverCache,
): void {
  const { records } = context.release;
  const pairs = records.map((record, index) => ({
    record,
    capsule: capsules[index] as Capsule,
    bytes: cfrags[index] as Uint8Array,
  }));
  for (const one of new Map(records.map((record) => [record.scope, record])).values())
    checked(
      'CFRAG_INVALID',
      notOfCapsule(mspId),
      () => {
        const checks = pairs
          .filter(({ record }) => record.scope === one.scope)
          .map(({ capsule, bytes }) => ({ capsule, cfrag: CapsuleFrag.fromBytes(bytes) }));
        const verdicts = CapsuleFrag.verifyAll(checks, cfragKeys(context, one), cache);
        const refusal = verdicts.find((verdict) => verdict instanceof PreError);
        if (refusal !== undefined) throw refusal;
      },
      mspId,
    );
}

function notOfCapsule(mspId: string): string {
  return `a fragment of ${mspId} is not of this grant and capsule`;
}

function cfragKeys(
  { outcome, release }: Pick<ReleaseContext, 'outcome' | 'release'>,
  record: ReleasedRecord,
): CapsuleFragKeys {
  return {
    verifyingKey: PublicKey.fromBase64url(release.patientKey),
    delegatingKey: PublicKey.fromBase64url(scopeOf(outcome, record).scopeKey),
    receivingKey: PublicKey.fromBase64url(release.receivingKey),
  };
}

/** @throws OUTCOME_MISMATCH */
export function scopeOf(outcome: Outcome, record: ReleasedRecord): PermittedScope {
  const scope = permittedScopes(outcome).find((permitted) => permitted.scope === record.scope);
  if (scope === undefined)
    throw new ClientError('OUTCOME_MISMATCH', 'the record’s scope was not permitted', { party: outcome.region });
  return scope;
}

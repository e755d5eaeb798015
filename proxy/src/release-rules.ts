import type { Outcome, Release, ReleasedRecord } from '@yilian/protocol';
import type { GrantEntry, OutcomeEntry, Standing } from '@yilian/regional-chain';
import type { ReleaseOrder } from './api.ts';
import { ProxyError } from './errors.ts';
import type { GrantRow } from './grant-book.ts';

/** Whose release it may be. */
export interface Self {
  readonly federation: string;
  readonly region: string;
  readonly mspId: string;
}

/** The permitted scopes of a release that hold records, each with the grant that permits it. */
type PermittedScope = Extract<Outcome['scopes'][number], { permitted: true }>;

export interface CheckedRelease {
  readonly outcome: Outcome;
  readonly release: Release;
  /** By scope; only those that a released record has. */
  readonly scopes: ReadonlyMap<string, PermittedScope>;
}

/** As far as an endorser lets a transaction's time be from its own clock. */
const SKEW_MS = 60_000;

/**
 * Whether the order is about this region's committed decision, which released something this proxy has a part in.
 * @throws RELEASE_MISMATCH NOT_RELEASED FRAGMENTS_UNKNOWN CLOCK_SKEW RELEASE_EXPIRED
 */
export function checkOrder(order: ReleaseOrder, entry: OutcomeEntry, self: Self, at: number): CheckedRelease {
  const { outcome, transactionId } = entry;
  const { federation, region, requestId, release } = outcome;
  if (transactionId !== order.transactionId || requestId !== order.requestId)
    throw new ProxyError('RELEASE_MISMATCH', 'another transaction decided this request');
  if (federation !== self.federation || region !== self.region)
    throw new ProxyError('RELEASE_MISMATCH', 'the decision is another region’s');
  if (outcome.outcome !== 'released' || release === undefined)
    throw new ProxyError('NOT_RELEASED', `the request was ${outcome.outcome}`);
  requireUsable(outcome, release, at);
  return {
    outcome,
    release,
    scopes: new Map(release.records.map((record) => [record.scope, permits(outcome, record, self)])),
  };
}

/** @throws CLOCK_SKEW RELEASE_EXPIRED */
export function requireUsable({ decidedAt }: Outcome, { usableUntil }: Release, at: number): void {
  if (decidedAt > at + SKEW_MS) throw new ProxyError('CLOCK_SKEW', 'the own clock is behind the decision');
  if (at > usableUntil) throw new ProxyError('RELEASE_EXPIRED', 'the release is no longer usable');
}

function permits({ scopes }: Outcome, record: ReleasedRecord, { mspId }: Self): PermittedScope {
  const scope = scopes.find((candidate) => candidate.scope === record.scope);
  if (scope?.permitted !== true) throw new ProxyError('NOT_RELEASED', 'a record’s scope is not permitted');
  if (!scope.proxies.includes(mspId))
    throw new ProxyError('FRAGMENTS_UNKNOWN', 'this proxy has no part in the release');
  return scope;
}

/**
 * Whether a release may still be carried out: everything is read again, nothing is taken from the decision.
 * @throws REGION_FROZEN KEY_MISMATCH EPOCH FRAGMENTS_UNKNOWN REVOKED PERIOD PURPOSE GRANT_MISMATCH COMMITMENT_MISMATCH
 */
export function checkStanding(
  { outcome, release, scopes }: CheckedRelease,
  standing: Standing | null,
  held: (grantId: string) => GrantRow | undefined,
  { mspId }: Self,
  at: number,
): void {
  if (standing === null) throw new ProxyError('NOT_RELEASED', 'nothing was released');
  if (standing.frozen) throw new ProxyError('REGION_FROZEN', 'the requesting region is frozen');
  if (standing.patient.signingKey !== release.patientKey)
    throw new ProxyError('KEY_MISMATCH', 'the patient has another signing key');
  if (standing.granteeKey !== release.receivingKey)
    throw new ProxyError('KEY_MISMATCH', 'the release is for another key than the grantee’s');
  for (const permitted of scopes.values()) {
    const entry = standing.grants.find(({ grantId }) => grantId === permitted.grantId);
    if (entry === undefined) throw new ProxyError('GRANT_MISMATCH', 'the grant is not on the chain');
    checkGrant(entry, outcome, permitted, at);
    checkEpoch(permitted, standing.scopeKeys);
    checkHeld(entry, held(permitted.grantId), release, mspId);
  }
}

function checkGrant(
  { grant, revokedAt }: GrantEntry,
  outcome: Outcome,
  { scope, epoch }: PermittedScope,
  at: number,
): void {
  if (revokedAt !== undefined) throw new ProxyError('REVOKED', 'the grant is revoked');
  if (grant.pseudonym !== outcome.pseudonym || grant.grantee !== outcome.keyCertificate)
    throw new ProxyError('GRANT_MISMATCH', 'the grant is between others');
  if (!grant.purposes.includes(outcome.purpose)) throw new ProxyError('PURPOSE', 'the grant is for other purposes');
  if (at < grant.notBefore || at > grant.notAfter) throw new ProxyError('PERIOD', 'the grant’s period is over');
  if (!grant.scopes.some((granted) => granted.scope === scope && granted.epoch === epoch))
    throw new ProxyError('GRANT_MISMATCH', 'the grant does not cover the scope');
}

function checkEpoch({ scope, epoch, scopeKey }: PermittedScope, scopeKeys: Standing['scopeKeys']): void {
  const current = scopeKeys.find(({ document }) => document.scope === scope)?.document;
  if (current?.epoch !== epoch) throw new ProxyError('EPOCH', 'the scope’s key was rotated');
  if (current.key !== scopeKey) throw new ProxyError('KEY_MISMATCH', 'the release names another scope key');
}

function checkHeld({ grant }: GrantEntry, row: GrantRow | undefined, release: Release, mspId: string): void {
  if (row === undefined) throw new ProxyError('FRAGMENTS_UNKNOWN', 'no fragments of this grant are held');
  if (row.stage !== 'held') throw new ProxyError('REVOKED', 'the grant’s fragments are no longer used');
  if (grant.proxies.find((proxy) => proxy.mspId === mspId)?.commitment !== row.commitment)
    throw new ProxyError('COMMITMENT_MISMATCH', 'the fragments held are not those of the grant');
  if (row.receivingKey !== release.receivingKey)
    throw new ProxyError('KEY_MISMATCH', 'the fragments held are for another key');
}

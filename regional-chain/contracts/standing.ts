import type { Context } from '@yilian/ledger/contract';
import type { ScopeKey, SignedBy } from '@yilian/protocol';
import { type GrantEntry, grantOf } from './grants.ts';
import { releaseBy } from './paging.ts';
import { type Patient, patientOf, scopeKeyOf } from './patients.ts';
import { keyCertificateOf } from './practitioners.ts';
import { mirrorOf } from './region.ts';
import type { OutcomeEntry } from './request-state.ts';

/** Everything a release rests on, as the chain has it now. */
export interface Standing {
  readonly grants: readonly GrantEntry[];
  readonly scopeKeys: readonly SignedBy<typeof ScopeKey>[];
  readonly patient: Patient;
  /** The re-encryption key of the key certificate the request named, base64url. */
  readonly granteeKey: string | null;
  /** Whether the requesting region is frozen. */
  readonly frozen: boolean;
}

/** What a transaction released, and how that stands at one moment: all that a proxy acts upon. */
export interface ReleaseStanding {
  readonly entry: OutcomeEntry;
  /** `null` when nothing was released. */
  readonly standing: Standing | null;
}

export async function standingOf(ctx: Context, requestId: string, transactionId: string): Promise<ReleaseStanding> {
  const entry = await releaseBy(ctx, requestId, transactionId);
  const { pseudonym, keyCertificate, requestingRegion, scopes, release } = entry.outcome;
  if (release === undefined) return { entry, standing: null };
  const permitted = scopes.filter((scope) => scope.permitted);
  const grants: GrantEntry[] = [];
  for (const grantId of new Set(permitted.map((scope) => scope.grantId))) grants.push(await grantOf(ctx, grantId));
  const scopeKeys: SignedBy<typeof ScopeKey>[] = [];
  for (const { scope } of permitted) {
    const key = await scopeKeyOf(ctx, pseudonym, scope);
    if (key !== undefined) scopeKeys.push(key);
  }
  const grantee = await keyCertificateOf(ctx, keyCertificate);
  const { frozen } = (await mirrorOf(ctx, requestingRegion)).entry;
  const patient = await patientOf(ctx, pseudonym);
  return { entry, standing: { grants, scopeKeys, patient, granteeKey: grantee?.document.key ?? null, frozen } };
}

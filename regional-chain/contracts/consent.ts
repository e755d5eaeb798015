import type { DenialReason, Grant, Request, ScopeDecision } from '@yilian/protocol';

/** What the chain knows of one grant. Times are epoch milliseconds. */
export interface GrantState {
  readonly grantId: string;
  readonly grant: Grant;
  /** Organisations whose proxies hold and have verified their key fragments. */
  readonly acknowledgedBy: readonly string[];
  readonly revokedAt?: number;
}

/** A scope's current key. */
export interface ScopeState {
  readonly epoch: number;
  readonly key: string;
}

/** Everything one decision depends on. */
export interface Circumstances {
  readonly request: Request;
  /** The patient's grants to the request's key certificate. */
  readonly grants: readonly GrantState[];
  readonly scopes: ReadonlyMap<string, ScopeState>;
  readonly certificateValid: boolean;
  readonly regionFrozen: boolean;
  /** Whether the patient said no to this very request. */
  readonly declined: boolean;
  /** Epoch milliseconds. */
  readonly at: number;
}

/**
 * The consent rules, scope by scope. A scope is permitted by one grant that satisfies everything, the one with the
 * smallest id if several do; otherwise the reason is that of the grant which came furthest, so that the answer names
 * the nearest obstacle. The order of the grants makes no difference.
 */
export function decide(circumstances: Circumstances): ScopeDecision[] {
  const grants = circumstances.grants.toSorted((a, b) => (a.grantId < b.grantId ? -1 : 1));
  return circumstances.request.scopes.map((scope) => decideScope(scope, { ...circumstances, grants }));
}

/** Obstacles in the order they are looked for; a later one means that more was in order. */
const GRANT_OBSTACLES = ['REVOKED', 'SCOPE', 'PURPOSE', 'PERIOD', 'EPOCH', 'NOT_ACTIVE'] as const;

function decideScope(
  scope: string,
  { request, grants, scopes, certificateValid, regionFrozen, declined, at }: Circumstances,
): ScopeDecision {
  const refused = (reason: DenialReason): ScopeDecision => ({ scope, permitted: false, reason });
  if (!certificateValid) return refused('CERTIFICATE_INVALID');
  if (regionFrozen) return refused('REGION_FROZEN');
  if (declined) return refused('DECLINED');
  const current = scopes.get(scope);
  let furthest = -1;
  for (const state of grants) {
    if (state.grant.grantee !== request.keyCertificate || state.grant.pseudonym !== request.pseudonym) continue;
    const obstacle = obstacleOf(state, scope, current, request, at);
    if (obstacle === undefined && current !== undefined) {
      return {
        scope,
        permitted: true,
        grantId: state.grantId,
        epoch: current.epoch,
        scopeKey: current.key,
        threshold: state.grant.threshold,
        proxies: [...state.acknowledgedBy].sort(),
      };
    }
    if (obstacle !== undefined) furthest = Math.max(furthest, GRANT_OBSTACLES.indexOf(obstacle));
  }
  return refused(GRANT_OBSTACLES[furthest] ?? 'NO_GRANT');
}

function obstacleOf(
  { grant, acknowledgedBy, revokedAt }: GrantState,
  scope: string,
  current: ScopeState | undefined,
  request: Request,
  at: number,
): (typeof GRANT_OBSTACLES)[number] | undefined {
  const granted = grant.scopes.find((candidate) => candidate.scope === scope);
  if (revokedAt !== undefined) return 'REVOKED';
  if (granted === undefined) return 'SCOPE';
  if (!grant.purposes.includes(request.purpose)) return 'PURPOSE';
  if (at < grant.notBefore || at > grant.notAfter) return 'PERIOD';
  if (current === undefined || granted.epoch !== current.epoch) return 'EPOCH';
  if (acknowledgedBy.length < grant.threshold) return 'NOT_ACTIVE';
  return undefined;
}

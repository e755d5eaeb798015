import {
  documentId,
  type Outcome,
  type OutcomeProof,
  overtakes,
  parseOutcome,
  Request,
  type ScopeDecision,
  type SignedBy,
  type Trust,
} from '@yilian/protocol';
import { ClientError, checked } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import { payloadOf, prove } from './proofs.ts';

/** A home chain's decision, proven and about the request. */
export interface ProvenOutcome {
  readonly outcome: Outcome;
  readonly transactionId: string;
  /** Block number on the home chain. */
  readonly block: number;
  /** The transaction's time, epoch milliseconds. */
  readonly timestamp: number;
  /** MSP ids. */
  readonly attestedBy: readonly string[];
}

/** Where the patient is in no region's index, proven by the main chain. */
export interface ProvenAbsence {
  readonly transactionId: string;
  readonly block: number;
  readonly timestamp: number;
}

export type PermittedScope = Extract<ScopeDecision, { permitted: true }>;
type Asked = { readonly request: SignedBy<typeof Request>; readonly receivingKey: string };

/** Checks a proof of a home chain's decision, or of a further page of what it released. @throws OUTCOME_INVALID */
export function proveDecision(
  view: FederationView,
  proof: OutcomeProof,
  times: readonly (number | 'own')[],
): ProvenOutcome {
  return checked('OUTCOME_INVALID', 'the outcome is not proven', () => {
    const proven = prove(proof, view.trusts(proof.network), {}, times);
    if (proven.function !== 'Requests:decide' && proven.function !== 'Requests:page')
      throw new ClientError('OUTCOME_INVALID', 'the transaction decided nothing');
    const outcome = parseOutcome(payloadOf(proven));
    if ((outcome.page === undefined) !== (proven.function === 'Requests:decide'))
      throw new ClientError('OUTCOME_INVALID', 'a page is no decision');
    const { transactionId, block, timestamp, attestedBy } = proven;
    return { outcome, transactionId, block, timestamp, attestedBy };
  });
}

/** Checks a proof that a grant which this release rests on was revoked. @throws OUTCOME_INVALID */
export function proveRevocation(
  trusts: readonly Trust[],
  proof: OutcomeProof,
  outcome: Outcome,
  times: readonly (number | 'own')[],
): void {
  checked('OUTCOME_INVALID', 'the revocation is not proven', () => {
    const { args } = prove(proof, trusts, { function: 'Grants:revoke' }, times);
    if (!overtakes(args[0], outcome)) throw new ClientError('OUTCOME_INVALID', 'the revocation is of another grant');
  });
}

/**
 * Checks that a proven decision of a network answers this request, for this key.
 * @throws OUTCOME_MISMATCH naming the home region, which signed an answer to something else
 */
export function requireAnswerTo(asked: Asked, federation: string, network: string, outcome: Outcome): void {
  const wrong = mismatch(federation, network, outcome, asked);
  if (wrong !== undefined) throw new ClientError('OUTCOME_MISMATCH', wrong, { party: network });
}

function mismatch(federation: string, region: string, outcome: Outcome, asked: Asked): string | undefined {
  const { document } = asked.request;
  if (outcome.federation !== federation || outcome.region !== region) return 'the outcome is of another region';
  if (outcome.requestId !== documentId(Request.type, document)) return 'the outcome is of another request';
  const same =
    outcome.requestingRegion === document.region &&
    outcome.pseudonym === document.pseudonym &&
    outcome.purpose === document.purpose &&
    outcome.keyCertificate === document.keyCertificate;
  if (!same) return 'the outcome is not about what was asked';
  const { release, scopes } = outcome;
  const decided = scopes.map(({ scope }) => scope);
  if (new Set(decided).size !== decided.length || decided.some((scope) => !document.scopes.includes(scope)))
    return 'the outcome decides scopes that were not asked for';
  if ((release !== undefined) !== (outcome.outcome === 'released')) return 'a release without its outcome';
  if (release === undefined) return undefined;
  if (decided.length !== document.scopes.length) return 'a scope that was asked for is not decided';
  if (release.receivingKey !== asked.receivingKey) return 'the release is for another key';
  const permitted = new Set(permittedScopes(outcome).map(({ scope }) => scope));
  if (release.records.some(({ scope }) => !permitted.has(scope))) return 'a record of a scope that was not permitted';
  const ids = new Set(release.records.map(({ recordId }) => recordId));
  return ids.size === release.records.length ? undefined : 'a record is released twice';
}

export function permittedScopes({ scopes }: Outcome): PermittedScope[] {
  return scopes.filter((decision): decision is PermittedScope => decision.permitted);
}

/**
 * Checks the main chain's word that no region holds the patient, at a height the request allows.
 * @throws ABSENCE_INVALID
 */
export function proveAbsence(
  view: FederationView,
  proof: OutcomeProof,
  { document }: SignedBy<typeof Request>,
  times: readonly (number | 'own')[],
): ProvenAbsence {
  return checked('ABSENCE_INVALID', 'the absence is not proven', () => {
    const requestId = documentId(Request.type, document);
    const expect = { function: 'Index:absent', args: [document.pseudonym, requestId] };
    const { transactionId, block, timestamp } = prove(proof, view.trusts(proof.network), expect, times);
    if (proof.network !== view.genesis.main.network)
      throw new ClientError('ABSENCE_INVALID', 'only the main chain knows that nobody holds the patient');
    if (block < document.minMainHeight)
      throw new ClientError('ABSENCE_INVALID', 'the proof is older than the request allows');
    return { transactionId, block, timestamp };
  });
}

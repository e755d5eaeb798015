import { documentId, type OutcomeProof, Request, type SignedBy, type Trust } from '@yilian/protocol';
import type { Answer, AnswerReply, LegState, LegStatus } from '@yilian/relay/api';
import { ClientError, fault } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import { type ProvenAbsence, type ProvenOutcome, proveAbsence, proveDecision, requireAnswerTo } from './outcomes.ts';

/** A leg whose home decided, with the proof. */
export interface ProvenLeg extends ProvenOutcome {
  readonly region: string;
  readonly state: ProvenOutcome['outcome']['outcome'];
  /** The answer that came with the proof: public, or sealed to the requester. */
  readonly answer: Answer;
  /** The home region's trust roots, and when (epoch milliseconds) the leg was held against them. */
  readonly trusts: readonly Trust[];
  readonly at: number;
}

/**
 * A leg without a proven outcome. `invalid`: the relay says there is one, and `error` says why that is not shown.
 * `missing`: the request went there, and the relay no longer names it.
 */
export interface OpenLeg {
  readonly region: string;
  readonly state: Exclude<LegState, ProvenLeg['state']> | 'invalid' | 'missing';
  /** Why a home refused to decide, as the relay says. */
  readonly code?: string;
  readonly error?: ClientError;
}

export type VerifiedLeg = ProvenLeg | OpenLeg;

/** Two proofs that contradict each other about whether a region holds the patient. */
export interface Conflict {
  readonly region: string;
  /** The home region does not know the patient, whom the index sent us to; or the index denies what a home region has. */
  readonly kind: 'absent-against-index' | 'index-against-home';
  readonly proofs: readonly OutcomeProof[];
}

export interface VerifiedAnswer {
  readonly requestId: string;
  /** Every leg, in the order of region names. */
  readonly legs: readonly VerifiedLeg[];
  readonly absence?: ProvenAbsence & { readonly proof: OutcomeProof };
  readonly conflicts: readonly Conflict[];
  /** Whether every leg is proven, or the absence is. */
  readonly complete: boolean;
}

export interface AnswerCheck {
  readonly request: SignedBy<typeof Request>;
  /** The requester's own key, base64url point. */
  readonly receivingKey: string;
  /** Regions the request went to, as the relay said when it took it. */
  readonly homes: readonly string[];
  readonly at: number;
}

/**
 * Judges an answer leg by leg: what is wrong with one leaves the others usable and is shown with it.
 * @throws ANSWER_INCOMPLETE when the answer is to another request or contradicts itself, ABSENCE_INVALID
 */
export function verifyAnswer(view: FederationView, reply: AnswerReply, check: AnswerCheck): VerifiedAnswer {
  const requestId = documentId(Request.type, check.request.document);
  if (reply.status.requestId !== requestId)
    throw new ClientError('ANSWER_INCOMPLETE', 'the relay answers another request');
  const statuses = byRegion(reply.status.legs);
  const answers = byRegion(reply.answers);
  const absence =
    reply.absence === undefined
      ? undefined
      : {
          ...proveAbsence(view, reply.absence, check.request, [check.at, 'own']),
          proof: reply.absence,
        };
  const main = view.genesis.main.network;
  const regions = new Set([...statuses.keys(), ...answers.keys(), ...check.homes]);
  if (absence !== undefined) regions.delete(main);
  const legs = [...regions]
    .toSorted()
    .map((region) => verifyLeg(view, region, statuses.get(region), answers.get(region), check));
  const complete = legs.length === 0 ? absence !== undefined : legs.every(isProven);
  return {
    requestId,
    legs,
    ...(absence !== undefined && { absence }),
    conflicts: legs.flatMap((leg) => conflictOf(leg, absence?.proof)),
    complete,
  };
}

export function isProven(leg: VerifiedLeg): leg is ProvenLeg {
  return 'outcome' in leg;
}

function verifyLeg(
  view: FederationView,
  region: string,
  status: LegStatus | undefined,
  answer: Answer | undefined,
  check: AnswerCheck,
): VerifiedLeg {
  if (answer !== undefined) {
    try {
      if (answer.proof.network !== region)
        throw new ClientError('OUTCOME_INVALID', 'the proof is of another network than the answer');
      const proven = proveDecision(view, answer.proof, [check.at, 'own']);
      requireAnswerTo(check, view.federation, region, proven.outcome);
      return { ...proven, region, state: proven.outcome.outcome, answer, trusts: view.trusts(region), at: check.at };
    } catch (error) {
      return { region, state: 'invalid', error: fault('OUTCOME_INVALID', 'the outcome cannot be judged', error) };
    }
  }
  if (status === undefined) return { region, state: 'missing' };
  const { state, code } = status;
  if (state === 'released' || state === 'denied' || state === 'absent' || state === 'expired') {
    const error = new ClientError('OUTCOME_INVALID', `the relay says ${state} and shows no proof`);
    return { region, state: 'invalid', error };
  }
  return { region, state, ...(code !== undefined && { code }) };
}

function conflictOf(leg: VerifiedLeg, index: OutcomeProof | undefined): Conflict[] {
  if (!isProven(leg)) return [];
  const { region, outcome, answer } = leg;
  const proofs = index === undefined ? [answer.proof] : [answer.proof, index];
  if (outcome.patientKnown) return index === undefined ? [] : [{ region, kind: 'index-against-home', proofs }];
  return outcome.outcome === 'absent' && index === undefined ? [{ region, kind: 'absent-against-index', proofs }] : [];
}

function byRegion<T extends { readonly region: string }>(entries: readonly T[]): Map<string, T> {
  const map = new Map(entries.map((entry) => [entry.region, entry]));
  if (map.size !== entries.length) throw new ClientError('ANSWER_INCOMPLETE', 'the relay names a region twice');
  return map;
}

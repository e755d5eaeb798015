import { documentId, type OutcomeProof, Request, type SignedBy, type Trust } from '@yilian/protocol';
import type { Answer, AnswerReply, LegState, LegStatus } from '@yilian/relay/api';
import { ClientError, fault } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import {
  type ProvenAbsence,
  type ProvenOutcome,
  proveAbsence,
  proveDecision,
  proveRevocation,
  requireAnswerTo,
} from './outcomes.ts';

/** A leg whose home decided, with the proof; every further page of a release is a leg of its own. */
export interface ProvenLeg extends ProvenOutcome {
  readonly region: string;
  readonly state: ProvenOutcome['outcome']['outcome'];
  /** The answer that came with the proof: public, or sealed to the requester. */
  readonly answer: Answer;
  /** The home region's trust roots, and when (epoch milliseconds) the leg was held against them. */
  readonly trusts: readonly Trust[];
  readonly at: number;
  /** Proven: the patient revoked after the decision and before the proxies carried it out. Nothing can be opened. */
  readonly overtaken: boolean;
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
  /** Every leg, in the order of region names and pages. */
  readonly legs: readonly VerifiedLeg[];
  readonly absence?: ProvenAbsence & { readonly proof: OutcomeProof };
  readonly conflicts: readonly Conflict[];
  /** Whether every leg is proven and all it released is here, or the absence is proven. */
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
  const statuses = new Map(reply.status.legs.map((leg) => [leg.region, leg]));
  if (statuses.size !== reply.status.legs.length)
    throw new ClientError('ANSWER_INCOMPLETE', 'the relay names a region twice');
  const answers = Map.groupBy(reply.answers, ({ region }) => region);
  const absence = reply.absence && {
    ...proveAbsence(view, reply.absence, check.request, [check.at]),
    proof: reply.absence,
  };
  const regions = new Set([...statuses.keys(), ...answers.keys(), ...check.homes]);
  if (absence !== undefined) regions.delete(view.genesis.main.network);
  const legs = [...regions]
    .toSorted()
    .flatMap((region) =>
      verifyLegs(view, region, { status: statuses.get(region), answers: answers.get(region) ?? [] }, check),
    );
  const complete = regions.size === 0 ? absence !== undefined : isWhole(legs);
  return {
    requestId,
    legs,
    ...(absence !== undefined && { absence }),
    conflicts: legs.flatMap((leg) => conflictOf(leg, absence?.proof)),
    complete,
  };
}

/**
 * Judges the page of a release that goes on from `before`.
 * @throws OUTCOME_INVALID OUTCOME_MISMATCH
 */
export function verifyPage(view: FederationView, before: ProvenLeg, answer: Answer, check: AnswerCheck): ProvenLeg {
  const leg = verifyLeg(view, before.region, answer, check);
  if (!isProven(leg)) throw leg.error ?? new ClientError('OUTCOME_INVALID', 'the page is not proven');
  if (!follows(leg, before)) throw new ClientError('OUTCOME_INVALID', 'the page does not follow the one before');
  return leg;
}

export function isProven(leg: VerifiedLeg): leg is ProvenLeg {
  return 'outcome' in leg;
}

/** Whether every leg is proven, and every page of a release that goes on in pages is followed by the next. */
function isWhole(legs: readonly VerifiedLeg[]): boolean {
  return legs.every((leg, index) => {
    if (!isProven(leg)) return false;
    const next = legs[index + 1];
    return leg.outcome.release?.next === undefined || (next !== undefined && follows(next, leg));
  });
}

/** Whether a leg is the page after another leg. */
function follows(leg: VerifiedLeg, before: ProvenLeg): boolean {
  if (!isProven(leg) || leg.region !== before.region || leg.outcome.page === undefined) return false;
  const { number, previous } = leg.outcome.page;
  return number === pageOf(before) + 1 && previous === before.transactionId;
}

function pageOf(leg: VerifiedLeg): number {
  return isProven(leg) ? (leg.outcome.page?.number ?? 0) : Number.POSITIVE_INFINITY;
}

/** The legs of one region: its decision, then the pages that go on from it, or what there is instead. */
function verifyLegs(
  view: FederationView,
  region: string,
  { status, answers }: { readonly status: LegStatus | undefined; readonly answers: readonly Answer[] },
  check: AnswerCheck,
): VerifiedLeg[] {
  if (answers.length === 0) return [unanswered(region, status)];
  const legs = answers
    .map((answer) => verifyLeg(view, region, answer, check))
    .toSorted((a, b) => pageOf(a) - pageOf(b));
  return legs.map((leg, index) => {
    const before = legs[index - 1];
    const inPlace = before === undefined ? pageOf(leg) === 0 : isProven(before) && follows(leg, before);
    if (!isProven(leg) || inPlace) return leg;
    return { region, state: 'invalid', error: new ClientError('OUTCOME_INVALID', 'the page follows no other') };
  });
}

function verifyLeg(view: FederationView, region: string, answer: Answer, check: AnswerCheck): VerifiedLeg {
  try {
    if (answer.proof.network !== region)
      throw new ClientError('OUTCOME_INVALID', 'the proof is of another network than the answer');
    const proven = proveDecision(view, answer.proof, [check.at]);
    requireAnswerTo(check, view.federation, region, proven.outcome);
    const { outcome: state } = proven.outcome;
    const trusts = view.trusts(region);
    const revocations = answer.revocations ?? [];
    for (const proof of revocations) proveRevocation(trusts, proof, proven.outcome, [check.at]);
    return { ...proven, region, state, answer, trusts, at: check.at, overtaken: revocations.length > 0 };
  } catch (error) {
    return { region, state: 'invalid', error: fault('OUTCOME_INVALID', 'the outcome cannot be judged', error) };
  }
}

function unanswered(region: string, status: LegStatus | undefined): OpenLeg {
  if (status === undefined) return { region, state: 'missing' };
  const { state, code } = status;
  if (state === 'released' || state === 'denied' || state === 'absent' || state === 'expired') {
    const error = new ClientError('OUTCOME_INVALID', `the relay says ${state} and shows no proof`);
    return { region, state: 'invalid', error };
  }
  return { region, state, ...(code !== undefined && { code }) };
}

function conflictOf(leg: VerifiedLeg, index: OutcomeProof | undefined): Conflict[] {
  if (!isProven(leg) || leg.outcome.page !== undefined) return [];
  const { region, outcome, answer } = leg;
  const proofs = index === undefined ? [answer.proof] : [answer.proof, index];
  if (outcome.patientKnown) return index === undefined ? [] : [{ region, kind: 'index-against-home', proofs }];
  return index === undefined ? [{ region, kind: 'absent-against-index', proofs }] : [];
}

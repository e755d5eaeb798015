import { type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import {
  ConsentDenial,
  documentId,
  type Outcome,
  RELEASE_TTL_MS,
  type Release,
  Request,
  requireKeySignature,
  type ScopeDecision,
  type SignedBy,
} from '@yilian/protocol';
import { noteAccess } from './accesses.ts';
import { homesArgument, lacksOnlyOwn, recordRequest, requirePeriod } from './asking.ts';
import { decide as decideScopes, type ScopeState } from './consent.ts';
import { requireFreshMirror } from './freshness.ts';
import { grantsOf } from './grants.ts';
import { type Patient, patientKey, patientOf, scopeKeyOf } from './patients.ts';
import { keyCertificateOf, type SignedKeyCertificate } from './practitioners.ts';
import { recordsOf, type ScopeEpoch } from './record-index.ts';
import {
  documentArgument,
  type Foundation,
  foundation,
  type Mirror,
  mirrorOf,
  now,
  requireRecent,
  requireRole,
} from './region.ts';
import {
  cursorKey,
  type OutcomeEntry,
  outcomeKey,
  type PageCursor,
  pendingKey,
  type RequestEntry,
  type WaitingRequest,
  waitingKey,
} from './request-state.ts';
import { keyCertificateArgument, requesterHolds } from './requester.ts';
import { readAll } from './state.ts';

type SignedRequest = SignedBy<typeof Request>;

/** Requests of one key certificate that may wait for one patient's word at a time. */
const MAX_WAITING = 8;

/** Everything a decision or a page about one request rests on. */
export interface Question {
  readonly home: Foundation;
  readonly requestId: string;
  readonly signed: SignedRequest;
  readonly keyCertificate: SignedKeyCertificate;
  readonly mirror: Mirror;
  readonly declined: boolean;
  /** Transaction time, epoch milliseconds. */
  readonly at: number;
}

/**
 * Home side: the one decision about a request. Inside one region it records the question too, so that asking and
 * deciding are one transaction. Returns the outcome; `{"waiting":true}` when consent is pending.
 */
export async function decideRequest(
  ctx: Context,
  json: string,
  keyCertificateJson: string,
  mainHeightJson: string,
  homesJson: string,
): Promise<string> {
  requireRole(ctx, 'relay');
  const home = await foundation(ctx);
  const at = now(ctx);
  const signed = documentArgument(Request, json, { federation: home.federation });
  const request = signed.document;
  const requestId = documentId(Request.type, request);
  if ((await getJson(ctx, outcomeKey(ctx, requestId))) !== undefined)
    refuse('DECIDED', 'the request is decided already');
  const homes = homesArgument(homesJson);
  requirePeriod(request);
  if (at < request.notBefore) refuse('NOT_YET_VALID', 'the request is not valid yet');
  const mirror = await mirrorOf(ctx, request.region);
  const own = request.region === home.region;
  if (own && mainHeightJson !== '') refuse('ARGUMENT_MALFORMED', 'the own region needs no main height');
  if (!own) requireFreshMirror(home, mirror, request.minMainHeight, mainHeightJson, at);
  const waiting = await getJson<WaitingRequest>(ctx, waitingKey(request.pseudonym, requestId));
  const { keyCertificate: keyCertificateId } = request;
  const known = waiting?.keyCertificate ?? (await keyCertificateOf(ctx, keyCertificateId));
  const keyCertificate = keyCertificateArgument(home, keyCertificateJson, { keyCertificateId, known, mirror, at });
  const declined = waiting?.denial !== undefined;
  const question: Question = { home, requestId, signed, keyCertificate, mirror, declined, at };
  const certificateValid = requesterHolds(signed, keyCertificate, mirror, at);
  const asked = own ? await recordRequest(ctx, signed, [...new Set([home.region, ...homes])], at) : undefined;
  const outcome = await answer(ctx, question, certificateValid);
  if (outcome === undefined) return wait(ctx, question, waiting);
  return settle(ctx, question, { outcome, asked, waiting });
}

/** The outcome, or `undefined` when the patient has to be asked. */
async function answer(ctx: Context, question: Question, certificateValid: boolean): Promise<Outcome | undefined> {
  const { signed, mirror, home, at } = question;
  const request = signed.document;
  const patient = await getJson<Patient>(ctx, patientKey(ctx, request.pseudonym));
  const common = aboutOf(question, patient !== undefined);
  if (at > request.notAfter) return { ...common, outcome: 'expired', scopes: [] };
  const frozen = mirror.entry.frozen && request.region !== home.region;
  if (patient === undefined && certificateValid && !frozen) return { ...common, outcome: 'absent', scopes: [] };
  const scopes = await judge(ctx, question, certificateValid);
  const unanswered = scopes.every((scope) => !scope.permitted && ['NO_GRANT', 'NOT_ACTIVE'].includes(scope.reason));
  if (unanswered && request.waitForConsent && (await mayWait(ctx, question))) return undefined;
  return { ...common, ...(await release(ctx, question, scopes, undefined)) };
}

/** What every outcome about this request says. */
export function aboutOf({ home, requestId, signed, at }: Question, patientKnown: boolean) {
  const { region: requestingRegion, pseudonym, purpose, keyCertificate } = signed.document;
  const { federation, region } = home;
  const about = { federation, region, requestId, requestingRegion, pseudonym, purpose, keyCertificate };
  return { ...about, decidedAt: at, patientKnown } as const;
}

/** Decides every scope by the grants, keys and mirrors as they are now. */
export async function judge(ctx: Context, question: Question, certificateValid: boolean): Promise<ScopeDecision[]> {
  const { signed, mirror, home, declined, at } = question;
  const request = signed.document;
  const grants = await grantsOf(ctx, request.pseudonym, request.keyCertificate);
  const scopes = new Map<string, ScopeState>();
  for (const scope of request.scopes) {
    const current = await scopeKeyOf(ctx, request.pseudonym, scope);
    if (current !== undefined) scopes.set(scope, { epoch: current.document.epoch, key: current.document.key });
  }
  const regionFrozen = mirror.entry.frozen && request.region !== home.region;
  return decideScopes({ request, grants, scopes, certificateValid, regionFrozen, declined, at });
}

/** One page of what these decisions permit. */
export async function release(
  ctx: Context,
  { signed, keyCertificate, at }: Question,
  scopes: ScopeDecision[],
  after: string | undefined,
): Promise<{ outcome: Outcome['outcome']; scopes: ScopeDecision[]; release?: Release }> {
  const { pseudonym } = signed.document;
  const permitted: ScopeEpoch[] = scopes.filter((scope) => scope.permitted);
  if (permitted.length === 0) return { outcome: 'denied', scopes };
  const page = await recordsOf(ctx, pseudonym, permitted, after);
  if (page.records.length === 0) return { outcome: 'absent', scopes };
  const { signingKey: patientKey } = await patientOf(ctx, pseudonym);
  const { key: receivingKey } = keyCertificate.document;
  return {
    outcome: 'released',
    scopes,
    release: { usableUntil: at + RELEASE_TTL_MS, patientKey, receivingKey, ...page },
  };
}

async function settle(
  ctx: Context,
  { requestId, signed, at }: Question,
  {
    outcome,
    asked,
    waiting,
  }: { outcome: Outcome; asked: RequestEntry | undefined; waiting: WaitingRequest | undefined },
): Promise<string> {
  const { pseudonym, keyCertificate } = signed.document;
  const transactionId = ctx.stub.getTxID();
  const entry: OutcomeEntry = { outcome, request: signed, transactionId };
  await putJson(ctx, outcomeKey(ctx, requestId), entry);
  await noteAccess(ctx, { pseudonym, at, requestId });
  if (waiting !== undefined) {
    await ctx.stub.deleteState(waitingKey(pseudonym, requestId));
    await ctx.stub.deleteState(waitingByKey(ctx, pseudonym, keyCertificate, requestId));
  }
  if (asked !== undefined && (await lacksOnlyOwn(ctx, asked))) await ctx.stub.deleteState(pendingKey(requestId));
  const after = outcome.release?.next;
  if (after !== undefined) {
    const cursor: PageCursor = { number: 1, previous: transactionId, after };
    await putJson(ctx, cursorKey(ctx, requestId), cursor);
  }
  ctx.stub.setEvent('outcome', new TextEncoder().encode(requestId));
  return JSON.stringify(outcome);
}

/** One doctor cannot fill a patient's list of questions. */
async function mayWait(ctx: Context, { signed, requestId }: Question): Promise<boolean> {
  const { pseudonym, keyCertificate } = signed.document;
  let others = 0;
  for await (const known of readAll<{ requestId: string }>(ctx, 'waiting-by', [pseudonym, keyCertificate])) {
    if (known.requestId !== requestId) others += 1;
  }
  return others < MAX_WAITING;
}

async function wait(
  ctx: Context,
  { signed, keyCertificate, requestId }: Question,
  waiting: WaitingRequest | undefined,
): Promise<string> {
  const { pseudonym } = signed.document;
  if (waiting === undefined) {
    const entry: WaitingRequest = { requestId, request: signed, keyCertificate };
    await putJson(ctx, waitingKey(pseudonym, requestId), entry);
    await putJson(ctx, waitingByKey(ctx, pseudonym, signed.document.keyCertificate, requestId), { requestId });
  }
  return JSON.stringify({ waiting: true, requestId });
}

function waitingByKey(ctx: Context, pseudonym: string, keyCertificateId: string, requestId: string): string {
  return ctx.stub.createCompositeKey('waiting-by', [pseudonym, keyCertificateId, requestId]);
}

/** The patient's no to a request that waits: the next decision, which anyone's relay may ask for, denies. */
export async function declineRequest(ctx: Context, json: string): Promise<void> {
  const at = now(ctx);
  const signed = documentArgument(ConsentDenial, json, await foundation(ctx));
  const { pseudonym, requestId, signedAt } = signed.document;
  requireRecent(signedAt, at);
  requireKeySignature(signed, (await patientOf(ctx, pseudonym)).signingKey);
  const key = waitingKey(pseudonym, requestId);
  const waiting = await getJson<WaitingRequest>(ctx, key);
  if (waiting === undefined) return refuse('NOT_WAITING', 'no such request waits for this patient');
  if (waiting.denial !== undefined) return;
  const denied: WaitingRequest = { ...waiting, denial: signed };
  await putJson(ctx, key, denied);
}

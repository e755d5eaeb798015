import { type Context, getJson, refuse } from '@yilian/ledger/contract';
import type { ConsentDenial, OpenedReceipt, Outcome, Request, SignedBy } from '@yilian/protocol';
import type { SignedKeyCertificate } from './practitioners.ts';
import { pathKey, readAll } from './state.ts';

/** A request as its own region's chain keeps it. */
export interface RequestEntry {
  readonly requestId: string;
  readonly signed: SignedBy<typeof Request>;
  readonly homes: readonly string[];
  readonly askedAt: number;
}

/** The final word of one leg. `main` stands for the main chain's proof that no region holds the patient. */
export interface Leg {
  readonly region: string;
  readonly outcome: Outcome['outcome'] | 'failed';
  readonly at: number;
  readonly transactionId: string;
  /** When this chain had given the leg up before the home's word came. */
  readonly failedAt?: number;
  /** Another outcome transaction of this home for the same request: proof that its ledger forked. */
  readonly conflict?: string;
}

/** A home chain's decision with the transaction that made it. */
export interface OutcomeEntry {
  readonly outcome: Outcome;
  readonly transactionId: string;
  readonly request: SignedBy<typeof Request>;
  /** The first receipt. */
  readonly opened?: SignedBy<typeof OpenedReceipt>;
}

/** A further page of a release with the transaction that made it. */
export interface PageEntry {
  readonly outcome: Outcome;
  readonly transactionId: string;
}

/** Where the next page of a release begins; `after` is absent once there is none. */
export interface PageCursor {
  readonly number: number;
  readonly previous: string;
  readonly after?: string;
}

/** A request that waits for the patient's consent, with what is needed to decide it again. */
export interface WaitingRequest {
  readonly requestId: string;
  readonly request: SignedBy<typeof Request>;
  readonly keyCertificate: SignedKeyCertificate;
  /** The patient's no: the next decision denies. */
  readonly denial?: SignedBy<typeof ConsentDenial>;
}

export const MAX_LIST = 1000;

export const requestKey = (ctx: Context, requestId: string): string =>
  ctx.stub.createCompositeKey('request', [requestId]);
export const outcomeKey = (ctx: Context, requestId: string): string =>
  ctx.stub.createCompositeKey('outcome', [requestId]);
export const pageKey = (ctx: Context, requestId: string, number: number): string =>
  ctx.stub.createCompositeKey('page', [requestId, String(number)]);
/** Which page a transaction made. */
export const pageOfKey = (ctx: Context, transactionId: string): string =>
  ctx.stub.createCompositeKey('page-of', [transactionId]);
export const cursorKey = (ctx: Context, requestId: string): string =>
  ctx.stub.createCompositeKey('next-page', [requestId]);
export const legKey = (ctx: Context, requestId: string, region: string): string =>
  ctx.stub.createCompositeKey('leg', [requestId, region]);
export const pendingKey = (requestId: string): string => pathKey('pending', requestId);
export const waitingKey = (pseudonym: string, requestId: string): string => pathKey('waiting', pseudonym, requestId);

export async function requestOf(ctx: Context, requestId: string): Promise<RequestEntry> {
  return (await getJson<RequestEntry>(ctx, requestKey(ctx, requestId))) ?? refuse('REQUEST_UNKNOWN', 'no such request');
}

export async function outcomeOf(ctx: Context, requestId: string): Promise<OutcomeEntry> {
  return (
    (await getJson<OutcomeEntry>(ctx, outcomeKey(ctx, requestId))) ?? refuse('OUTCOME_UNKNOWN', 'not decided here')
  );
}

export async function legsOf(ctx: Context, requestId: string): Promise<Leg[]> {
  const legs: Leg[] = [];
  for await (const leg of readAll<Leg>(ctx, 'leg', [requestId])) legs.push(leg);
  return legs;
}

import { type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import type { Outcome } from '@yilian/protocol';
import { noteAccess } from './accesses.ts';
import { aboutOf, judge, type Question, release } from './deciding.ts';
import { requireFreshMirror } from './freshness.ts';
import { keyCertificateOf } from './practitioners.ts';
import { foundation, idArgument, mirrorOf, now, requireRole } from './region.ts';
import {
  cursorKey,
  type OutcomeEntry,
  outcomeOf,
  type PageCursor,
  type PageEntry,
  pageKey,
  pageOfKey,
} from './request-state.ts';
import { requesterHolds } from './requester.ts';

/**
 * Home side: the next page of a release. Everything a decision rests on is checked anew; a page that is no longer
 * permitted is denied, and ends the release. Each page names the transaction of the one before.
 */
export async function releasePage(
  ctx: Context,
  requestId: string,
  page: string,
  mainHeightJson: string,
): Promise<string> {
  requireRole(ctx, 'relay');
  const home = await foundation(ctx);
  const at = now(ctx);
  const { request: signed } = await outcomeOf(ctx, idArgument('hash', requestId));
  const request = signed.document;
  const cursor = await cursorAt(ctx, requestId, numberArgument(page));
  if (at > request.notAfter) refuse('REQUEST_EXPIRED', 'the request is over');
  const mirror = await mirrorOf(ctx, request.region);
  const own = request.region === home.region;
  if (own && mainHeightJson !== '') refuse('ARGUMENT_MALFORMED', 'the own region needs no main height');
  if (!own) requireFreshMirror(home, mirror, request.minMainHeight, mainHeightJson, at);
  const keyCertificate = await keyCertificateOf(ctx, request.keyCertificate);
  if (keyCertificate === undefined) return refuse('KEY_CERTIFICATE_UNKNOWN', 'no such key certificate');
  const question: Question = { home, requestId, signed, keyCertificate, mirror, declined: false, at };
  const scopes = await judge(ctx, question, requesterHolds(signed, keyCertificate, mirror, at));
  const { number, previous, after } = cursor;
  const outcome: Outcome = {
    ...aboutOf(question, true),
    ...(await release(ctx, question, scopes, after)),
    page: { number, previous },
  };
  const transactionId = ctx.stub.getTxID();
  const entry: PageEntry = { outcome, transactionId };
  await putJson(ctx, pageKey(ctx, requestId, number), entry);
  await putJson(ctx, pageOfKey(ctx, transactionId), { requestId, number });
  const next = outcome.release?.next;
  const following = { number: number + 1, previous: transactionId, ...(next === undefined ? {} : { after: next }) };
  await putJson(ctx, cursorKey(ctx, requestId), following satisfies PageCursor);
  await noteAccess(ctx, { pseudonym: request.pseudonym, at, requestId, page: number });
  ctx.stub.setEvent('outcome', new TextEncoder().encode(`${requestId}/${number}`));
  return JSON.stringify(outcome);
}

async function cursorAt(ctx: Context, requestId: string, number: number): Promise<PageCursor & { after: string }> {
  const cursor = await getJson<PageCursor>(ctx, cursorKey(ctx, requestId));
  if (cursor !== undefined && number < cursor.number) return refuse('DECIDED', 'the page is released already');
  if (cursor?.after === undefined || number > cursor.number) return refuse('PAGE_UNKNOWN', 'there is no such page yet');
  return { ...cursor, after: cursor.after };
}

export async function pageOf(ctx: Context, requestId: string, page: string): Promise<PageEntry> {
  const key = pageKey(ctx, idArgument('hash', requestId), numberArgument(page));
  return (await getJson<PageEntry>(ctx, key)) ?? refuse('PAGE_UNKNOWN', 'there is no such page yet');
}

/** What this very transaction released: the decision or a page. */
export async function releaseBy(ctx: Context, requestId: string, transactionId: string): Promise<OutcomeEntry> {
  const decided = await outcomeOf(ctx, idArgument('hash', requestId));
  if (decided.transactionId === idArgument('transaction id', transactionId)) return decided;
  const place = await getJson<{ requestId: string; number: number }>(ctx, pageOfKey(ctx, transactionId));
  if (place?.requestId !== requestId) return refuse('OUTCOME_UNKNOWN', 'that transaction released nothing');
  return { ...(await pageOf(ctx, requestId, String(place.number))), request: decided.request };
}

function numberArgument(page: string): number {
  return /^[1-9]\d{0,5}$/.test(page) ? Number(page) : refuse('ARGUMENT_MALFORMED', 'not a page number');
}

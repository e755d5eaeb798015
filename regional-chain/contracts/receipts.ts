import { type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { documentId, OpenedReceipt, parser, parseSigned, type SignedBy } from '@yilian/protocol';
import { Type } from '@yilian/schema';
import { keyCertificateOf } from './practitioners.ts';
import { foundation, mirrorOf, now, ofRegion, parseArgument, requireRole } from './region.ts';
import { type OutcomeEntry, outcomeKey, type PageEntry, pageKey, pageOfKey } from './request-state.ts';
import { requesterHolds } from './requester.ts';
import { readAll } from './state.ts';

type SignedReceipt = SignedBy<typeof OpenedReceipt>;

const SKEW_MS = 60_000;
const parseReceipts = parser('receipts', Type.Array(Type.Unknown(), { minItems: 1, maxItems: 64 }));

/** Home side: requesters' signed words that records were opened, many in one transaction. */
export async function recordReceipts(ctx: Context, json: string): Promise<void> {
  requireRole(ctx, 'relay');
  const home = await foundation(ctx);
  const at = now(ctx);
  const written = new Map<string, SignedReceipt[]>();
  for (const candidate of parseReceipts(parseArgument(json, 'receipts'))) {
    const signed = ofRegion(OpenedReceipt, parseSigned(OpenedReceipt, candidate), home);
    await recordReceipt(ctx, signed, written, at);
  }
}

/** A receipt that names no record for the first time changes nothing, so that there are no more than records. */
async function recordReceipt(
  ctx: Context,
  signed: SignedReceipt,
  written: Map<string, SignedReceipt[]>,
  at: number,
): Promise<void> {
  const { requestId, release, records, openedAt } = signed.document;
  const decided = await getJson<OutcomeEntry>(ctx, outcomeKey(ctx, requestId));
  const { outcome } = release === decided?.transactionId ? decided : await pageIn(ctx, requestId, release);
  if (outcome.release === undefined) return refuse('RELEASE_UNKNOWN', 'nothing was released');
  const mirror = await mirrorOf(ctx, outcome.requestingRegion);
  const keyCertificate = await keyCertificateOf(ctx, outcome.keyCertificate);
  if (keyCertificate === undefined || !requesterHolds(signed, keyCertificate, mirror, at))
    refuse('CERTIFICATE_INVALID', 'not the requester’s receipt');
  if (openedAt > at + SKEW_MS) refuse('DOCUMENT_FROM_FUTURE', 'opened in the future');
  if (openedAt < outcome.decidedAt - SKEW_MS) refuse('RECEIPT_MISMATCH', 'opened before it was released');
  const released = new Set(outcome.release.records.map(({ recordId }) => recordId));
  if (!records.every((recordId) => released.has(recordId)))
    refuse('RECEIPT_MISMATCH', 'the receipt names records that were not released');
  const earlier = [...(await receiptsOf(ctx, requestId, release)), ...(written.get(release) ?? [])];
  const named = new Set(earlier.flatMap(({ document }) => document.records));
  if (records.every((recordId) => named.has(recordId))) return;
  written.set(release, [...(written.get(release) ?? []), signed]);
  const receiptId = documentId(OpenedReceipt.type, signed.document);
  await putJson(ctx, ctx.stub.createCompositeKey('opened', [requestId, release, receiptId]), signed);
}

async function pageIn(ctx: Context, requestId: string, transactionId: string): Promise<PageEntry> {
  const place = await getJson<{ requestId: string; number: number }>(ctx, pageOfKey(ctx, transactionId));
  if (place?.requestId !== requestId) return refuse('RELEASE_UNKNOWN', 'no such release');
  const page = await getJson<PageEntry>(ctx, pageKey(ctx, requestId, place.number));
  return page ?? refuse('RELEASE_UNKNOWN', 'no such release');
}

/** The receipts of one release, earliest opening first. */
export async function receiptsOf(ctx: Context, requestId: string, transactionId: string): Promise<SignedReceipt[]> {
  const receipts: SignedReceipt[] = [];
  for await (const receipt of readAll<SignedReceipt>(ctx, 'opened', [requestId, transactionId])) receipts.push(receipt);
  return receipts.sort((a, b) => a.document.openedAt - b.document.openedAt);
}

import { ChainContract, type Context, refuse } from '@yilian/ledger/contract';
import { accessPage } from './accesses.ts';
import { ask, failLeg, mirrorOutcomes, pendingRequests, recordAbsence } from './asking.ts';
import { decideRequest, declineRequest } from './deciding.ts';
import { pageOf, releaseBy, releasePage } from './paging.ts';
import { receiptsOf, recordReceipts } from './receipts.ts';
import { idArgument } from './region.ts';
import { legsOf, MAX_LIST, type OutcomeEntry, outcomeOf, requestOf, type WaitingRequest } from './request-state.ts';
import { standingOf } from './standing.ts';
import { readPaths } from './state.ts';

const WAITING_BOOKMARK = /^[A-Za-z0-9_-]{43}\/[A-Za-z0-9_-]{43}$/;

/** Questions, decisions and receipts. Each function's rules stand with its noun: asking, deciding, paging, receipts. */
export class RequestContract extends ChainContract {
  constructor() {
    super('Requests');
  }

  ask(ctx: Context, json: string, homesJson: string): Promise<string> {
    return ask(ctx, json, homesJson);
  }

  decide(
    ctx: Context,
    json: string,
    keyCertificateJson: string,
    mainHeightJson: string,
    homesJson: string,
  ): Promise<string> {
    return decideRequest(ctx, json, keyCertificateJson, mainHeightJson, homesJson);
  }

  page(ctx: Context, requestId: string, page: string, mainHeightJson: string): Promise<string> {
    return releasePage(ctx, requestId, page, mainHeightJson);
  }

  decline(ctx: Context, json: string): Promise<void> {
    return declineRequest(ctx, json);
  }

  mirror(ctx: Context, packed: string): Promise<void> {
    return mirrorOutcomes(ctx, packed);
  }

  absent(ctx: Context, requestId: string, proofJson: string): Promise<void> {
    return recordAbsence(ctx, requestId, proofJson);
  }

  fail(ctx: Context, requestId: string, region: string): Promise<void> {
    return failLeg(ctx, requestId, region);
  }

  opened(ctx: Context, json: string): Promise<void> {
    return recordReceipts(ctx, json);
  }

  async request(ctx: Context, requestId: string): Promise<string> {
    const entry = await requestOf(ctx, idArgument('hash', requestId));
    return JSON.stringify({ ...entry, legs: await legsOf(ctx, requestId) });
  }

  async outcome(ctx: Context, requestId: string): Promise<string> {
    return withReceipt(ctx, await outcomeOf(ctx, idArgument('hash', requestId)));
  }

  /** A further page of a release. */
  async pageOf(ctx: Context, requestId: string, page: string): Promise<string> {
    return JSON.stringify(await pageOf(ctx, requestId, page));
  }

  /** What this transaction released, be it the decision or a page. */
  async release(ctx: Context, requestId: string, transactionId: string): Promise<string> {
    return withReceipt(ctx, await releaseBy(ctx, requestId, transactionId));
  }

  /** What this transaction released, with everything that rests on as it is now. */
  async standing(ctx: Context, requestId: string, transactionId: string): Promise<string> {
    return JSON.stringify(await standingOf(ctx, requestId, transactionId));
  }

  /** Every receipt of one release. */
  async receipts(ctx: Context, requestId: string, transactionId: string): Promise<string> {
    idArgument('hash', requestId);
    return JSON.stringify(await receiptsOf(ctx, requestId, idArgument('transaction id', transactionId)));
  }

  pending(ctx: Context, after: string): Promise<string> {
    return pendingRequests(ctx, after);
  }

  /** Requests of any region that wait for this patient's consent, or all of them; after `<pseudonym>/<requestId>`. */
  async waiting(ctx: Context, pseudonym: string, after: string): Promise<string> {
    if (after !== '' && !WAITING_BOOKMARK.test(after)) refuse('ARGUMENT_MALFORMED', 'not a bookmark');
    const waiting: WaitingRequest[] = [];
    const of = pseudonym === '' ? (['waiting'] as const) : (['waiting', idArgument('pseudonym', pseudonym)] as const);
    const from = pseudonym === '' ? after : after.slice(pseudonym.length + 1);
    for await (const { value } of readPaths<WaitingRequest>(ctx, of, from)) {
      if (waiting.push(value) === MAX_LIST) break;
    }
    return JSON.stringify(waiting);
  }

  async accesses(ctx: Context, json: string, bookmark: string, registration: string): Promise<string> {
    return JSON.stringify(await accessPage(ctx, json, bookmark, registration));
  }
}

async function withReceipt(ctx: Context, entry: OutcomeEntry): Promise<string> {
  const [opened] = await receiptsOf(ctx, entry.outcome.requestId, entry.transactionId);
  return JSON.stringify(opened === undefined ? entry : { ...entry, opened });
}

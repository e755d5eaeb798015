import { type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { AccessQuery, type Outcome, type Request, requireKeySignature, type SignedBy } from '@yilian/protocol';
import { patientOf, registeredKey } from './patients.ts';
import { receiptsOf } from './receipts.ts';
import { documentArgument, foundation, now, requireRecent } from './region.ts';
import {
  type Leg,
  legsOf,
  type OutcomeEntry,
  outcomeKey,
  type PageEntry,
  pageKey,
  requestOf,
} from './request-state.ts';
import { pathKey, readPaths } from './state.ts';

/** One line of a patient's list of accesses. Every page of a release is a line of its own. */
export interface Access {
  readonly requestId: string;
  readonly request: SignedBy<typeof Request>;
  /** When it was noted here: asked, or decided. Epoch milliseconds. */
  readonly at: number;
  /** What this region decided as home, if it was one. */
  readonly outcome?: Outcome;
  readonly transactionId?: string;
  readonly openedAt?: number;
  /** What other regions answered, if the question came from here. */
  readonly legs: readonly Leg[];
}

/** `next` is absent on the last page. */
export interface AccessPage {
  readonly accesses: readonly Access[];
  readonly next?: string;
}

interface Note {
  readonly requestId: string;
  readonly page?: number;
}

const MAX_ACCESSES = 100;
const MAX_CHARACTERS = 1_048_576;
const LAST_TIME = 8_640_000_000_000_000;
const AGE_DIGITS = 16;
const BOOKMARK = /^\d{16}\/[A-Za-z0-9_-]{43}\/\d{1,7}$/;

/** Notes that somebody asked for or got a patient's records; the newest note is the first of the list. */
export async function noteAccess(
  ctx: Context,
  { pseudonym, at, requestId, page }: Note & { readonly pseudonym: string; readonly at: number },
): Promise<void> {
  const age = String(LAST_TIME - at).padStart(AGE_DIGITS, '0');
  const key = pathKey('accesses', pseudonym, age, requestId, String(page ?? 0));
  await putJson(ctx, key, { requestId, ...(page === undefined ? {} : { page }) } satisfies Note);
}

/**
 * Everything this chain knows about who asked for a patient's records, newest first. Only the patient may ask: one who
 * is enrolled here, or whose signing key the main chain registered, as the proof shows.
 */
export async function accessPage(
  ctx: Context,
  json: string,
  bookmark: string,
  registration: string,
): Promise<AccessPage> {
  const home = await foundation(ctx);
  const at = now(ctx);
  const signed = documentArgument(AccessQuery, json, home);
  const { pseudonym, signedAt } = signed.document;
  requireRecent(signedAt, at);
  const patient = registration === '' ? await patientOf(ctx, pseudonym) : registeredKey(home, registration, at);
  if (patient.pseudonym !== pseudonym) refuse('PROOF_MISMATCH', 'the proof is of another patient');
  requireKeySignature(signed, patient.signingKey);
  if (bookmark !== '' && !BOOKMARK.test(bookmark)) refuse('ARGUMENT_MALFORMED', 'not a bookmark');
  const accesses: Access[] = [];
  let characters = 0;
  let last = bookmark;
  for await (const { position, value } of readPaths<Note>(ctx, ['accesses', pseudonym], bookmark)) {
    if (accesses.length === MAX_ACCESSES || characters > MAX_CHARACTERS) return { accesses, next: last };
    const access = { ...(await accessOf(ctx, value)), at: LAST_TIME - Number(position.slice(0, AGE_DIGITS)) };
    characters += JSON.stringify(access).length;
    accesses.push(access);
    last = position;
  }
  return { accesses };
}

async function accessOf(ctx: Context, { requestId, page }: Note): Promise<Omit<Access, 'at'>> {
  const decided = await getJson<OutcomeEntry>(ctx, outcomeKey(ctx, requestId));
  const legs = await legsOf(ctx, requestId);
  if (decided === undefined) return { requestId, request: (await requestOf(ctx, requestId)).signed, legs };
  const released = page === undefined ? decided : await getJson<PageEntry>(ctx, pageKey(ctx, requestId, page));
  const { outcome, transactionId } = released ?? decided;
  const [opened] = await receiptsOf(ctx, requestId, transactionId);
  const openedAt = opened === undefined ? {} : { openedAt: opened.document.openedAt };
  return { requestId, request: decided.request, outcome, transactionId, ...openedAt, legs };
}

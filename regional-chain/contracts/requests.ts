import { type Context, Contract, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { verifyOutcome } from '@yilian/ledger/verify';
import {
  AccessQuery,
  documentId,
  KeyCertificate,
  OpenedReceipt,
  type Outcome,
  parseOutcome,
  parseOutcomeProof,
  parser,
  RELEASE_TTL_MS,
  RegionId,
  Request,
  requireCertificateSignatures,
  requireKeySignature,
  type SignedBy,
} from '@yilian/protocol';
import { Type } from 'typebox';
import { decide, type ScopeState } from './consent.ts';
import { requireFreshMirror } from './freshness.ts';
import { grantsOf } from './grants.ts';
import { type Patient, patientKey, patientOf, scopeKeyOf } from './patients.ts';
import { checkKeyCertificate, keyCertificateOf, type SignedKeyCertificate } from './practitioners.ts';
import { recordsOf } from './records.ts';
import {
  documentArgument,
  type Foundation,
  foundation,
  identifier,
  isCertificateFault,
  type Mirror,
  mirrorOf,
  now,
  parseArgument,
  requireRecent,
  requireRole,
} from './region.ts';
import { readAll } from './state.ts';

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
}

/** A home chain's decision with the transaction that made it. */
export interface OutcomeEntry {
  readonly outcome: Outcome;
  readonly transactionId: string;
  readonly request: SignedBy<typeof Request>;
  readonly opened?: SignedBy<typeof OpenedReceipt>;
}

/** A request that waits for the patient's consent, with what is needed to decide it again. */
export interface WaitingRequest {
  readonly requestId: string;
  readonly request: SignedBy<typeof Request>;
  readonly keyCertificate: SignedKeyCertificate;
}

/** One line of a patient's list of accesses. */
export interface Access {
  readonly requestId: string;
  readonly request: SignedBy<typeof Request>;
  /** What this region decided as home, if it was one. */
  readonly outcome?: Outcome;
  readonly transactionId?: string;
  readonly openedAt?: number;
  /** What other regions answered, if the question came from here. */
  readonly legs: readonly Leg[];
}

const MAX_PERIOD_MS = 7 * 86_400_000;
/** How long after a request's end its region waits for a home's word before it says `failed`. */
const UNREACHABLE_AFTER_MS = 120_000;
const MAX_LIST = 1000;
const parseHomes = parser('homes', Type.Array(RegionId, { maxItems: 64, uniqueItems: true }));

/** Questions, decisions and receipts. */
export class RequestContract extends Contract {
  constructor() {
    super('Requests');
  }

  /** Requesting side: records a practitioner's question and the regions it goes to. */
  async ask(ctx: Context, json: string, homesJson: string): Promise<string> {
    requireRole(ctx, 'relay');
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(Request, json, home);
    const keyCertificate = await keyCertificateOf(ctx, signed.document.keyCertificate);
    if (keyCertificate === undefined) refuse('KEY_CERTIFICATE_UNKNOWN', 'no such key certificate');
    const mirror = await mirrorOf(ctx, home.region);
    if (!requesterHolds(signed, keyCertificate, mirror, at))
      refuse('CERTIFICATE_INVALID', 'the requester’s certificate is not in force');
    requireInTime(signed.document, at);
    return recordRequest(ctx, signed, parseHomes(parseArgument(homesJson)), at);
  }

  /**
   * Home side: the one decision about a request. Inside one region it records the question too, so that asking and
   * deciding are one transaction. Returns the outcome; `{"waiting":true}` when consent is pending.
   */
  async decide(
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
    const mirror = await mirrorOf(ctx, request.region);
    if (request.region === home.region) await recordRequest(ctx, signed, parseHomes(parseArgument(homesJson)), at);
    else requireFreshMirror(home, mirror, request.minMainHeight, mainHeightJson, at);

    const keyCertificate = await keyCertificateArgument(
      ctx,
      home,
      keyCertificateJson,
      request.keyCertificate,
      mirror,
      at,
    );
    const certificateValid = requesterHolds(signed, keyCertificate, mirror, at);
    if (at < request.notBefore) refuse('NOT_YET_VALID', 'the request is not valid yet');
    const patient = await getJson<Patient>(ctx, patientKey(ctx, request.pseudonym));
    const grants = await grantsOf(ctx, request.pseudonym, request.keyCertificate);
    const scopes = new Map<string, ScopeState>();
    for (const scope of request.scopes) {
      const current = await scopeKeyOf(ctx, request.pseudonym, scope);
      if (current !== undefined) scopes.set(scope, { epoch: current.document.epoch, key: current.document.key });
    }
    const decisions = decide({ request, grants, scopes, certificateValid, regionFrozen: mirror.entry.frozen, at });
    const common = {
      federation: home.federation,
      region: home.region,
      requestId,
      requestingRegion: request.region,
      pseudonym: request.pseudonym,
      purpose: request.purpose,
      keyCertificate: request.keyCertificate,
      decidedAt: at,
      patientKnown: patient !== undefined,
    } as const;
    const settle = (outcome: Outcome): Promise<string> =>
      writeOutcome(ctx, { outcome, request: signed, transactionId: ctx.stub.getTxID() });
    if (at > request.notAfter) return settle({ ...common, outcome: 'expired', scopes: [] });
    if (patient === undefined && certificateValid && !mirror.entry.frozen)
      return settle({ ...common, outcome: 'absent', scopes: [] });

    const permitted = decisions.filter((decision) => decision.permitted).map(({ scope }) => scope);
    if (permitted.length === 0) {
      const unanswered = decisions.every(
        (decision) => !decision.permitted && (decision.reason === 'NO_GRANT' || decision.reason === 'NOT_ACTIVE'),
      );
      if (request.waitForConsent && unanswered) {
        await putJson(ctx, ctx.stub.createCompositeKey('waiting', [request.pseudonym, requestId]), {
          requestId,
          request: signed,
          keyCertificate,
        } satisfies WaitingRequest);
        return JSON.stringify({ waiting: true, requestId });
      }
      return settle({ ...common, outcome: 'denied', scopes: decisions });
    }
    const { records, next } = await recordsOf(ctx, request.pseudonym, permitted, undefined);
    if (records.length === 0) return settle({ ...common, outcome: 'absent', scopes: decisions });
    const { signingKey } = await patientOf(ctx, request.pseudonym);
    return settle({
      ...common,
      outcome: 'released',
      scopes: decisions,
      release: {
        usableUntil: at + RELEASE_TTL_MS,
        patientKey: signingKey,
        receivingKey: keyCertificate.document.key,
        records,
        ...(next === undefined ? {} : { next }),
      },
    });
  }

  /** Requesting side: copies home outcomes, each with its proof; at most one transaction a second carries many. */
  async mirror(ctx: Context, json: string): Promise<void> {
    requireRole(ctx, 'relay');
    const home = await foundation(ctx);
    const at = now(ctx);
    const legs = new Map<string, Leg[]>();
    for (const candidate of parseProofs(parseArgument(json))) {
      const proof = parseOutcomeProof(candidate);
      const { entry } = await mirrorOf(ctx, proof.network);
      const verified = verifyOutcome(proof, entry.trusts, { function: 'Requests:decide' }, at);
      const { region, federation, requestId, outcome, decidedAt } = parseOutcome(
        JSON.parse(new TextDecoder().decode(verified.payload)),
      );
      if (region !== proof.network || federation !== home.federation)
        refuse('PROOF_MISMATCH', 'the outcome is another region’s');
      const leg = { region, outcome, at: decidedAt, transactionId: verified.transactionId };
      legs.set(requestId, [...(legs.get(requestId) ?? []), leg]);
    }
    for (const [requestId, settled] of legs) await settleLegs(ctx, requestId, settled);
  }

  /** Requesting side: the main chain's proof that no region holds the patient. */
  async absent(ctx: Context, requestId: string, proofJson: string): Promise<void> {
    requireRole(ctx, 'relay');
    const home = await foundation(ctx);
    const at = now(ctx);
    const verified = verifyOutcome(
      parseOutcomeProof(parseArgument(proofJson)),
      home.main,
      { function: 'Index:absent' },
      at,
    );
    const { signed } = await requestOf(ctx, requestId);
    const said = JSON.parse(new TextDecoder().decode(verified.payload)) as { pseudonym?: string; requestId?: string };
    if (said.requestId !== requestId || said.pseudonym !== signed.document.pseudonym)
      refuse('PROOF_MISMATCH', 'the proof is about another request');
    if (verified.block < signed.document.minMainHeight)
      refuse('PROOF_MISMATCH', 'the proof is older than the request allows');
    await settleLegs(ctx, requestId, [
      { region: 'main', outcome: 'absent', at: verified.timestamp, transactionId: verified.transactionId },
    ]);
  }

  /** Requesting side: a home that never answered, long after the request's end. A later proof supersedes it. */
  async fail(ctx: Context, requestId: string, region: string): Promise<void> {
    requireRole(ctx, 'relay');
    const at = now(ctx);
    const { signed, homes } = await requestOf(ctx, requestId);
    if (!homes.includes(region)) refuse('REGION_UNKNOWN', 'the request did not go there');
    if (at <= signed.document.notAfter + UNREACHABLE_AFTER_MS) refuse('NOT_YET_VALID', 'the home may still answer');
    if ((await getJson(ctx, legKey(ctx, requestId, region))) !== undefined) return;
    await settleLegs(ctx, requestId, [{ region, outcome: 'failed', at, transactionId: ctx.stub.getTxID() }]);
  }

  /** Home side: requesters' signed words that records were opened, many in one transaction. */
  async opened(ctx: Context, json: string): Promise<void> {
    requireRole(ctx, 'relay');
    const home = await foundation(ctx);
    const at = now(ctx);
    for (const candidate of parseReceipts(parseArgument(json))) {
      await this.#open(ctx, documentArgument(OpenedReceipt, JSON.stringify(candidate), home), at);
    }
  }

  async #open(ctx: Context, signed: SignedBy<typeof OpenedReceipt>, at: number): Promise<void> {
    const receipt = signed.document;
    const entry = await getJson<OutcomeEntry>(ctx, outcomeKey(ctx, receipt.requestId));
    if (entry?.outcome.release === undefined || entry.transactionId !== receipt.release)
      return refuse('RELEASE_UNKNOWN', 'no such release');
    const mirror = await mirrorOf(ctx, entry.outcome.requestingRegion);
    const keyCertificate = await keyCertificateOf(ctx, entry.outcome.keyCertificate);
    if (keyCertificate === undefined || !requesterHolds(signed, keyCertificate, mirror, at))
      refuse('CERTIFICATE_INVALID', 'not the requester’s receipt');
    const released = new Set(entry.outcome.release.records.map(({ recordId }) => recordId));
    if (!receipt.records.every((recordId) => released.has(recordId)))
      refuse('RECEIPT_MISMATCH', 'the receipt names records that were not released');
    if (entry.opened === undefined)
      await putJson(ctx, outcomeKey(ctx, receipt.requestId), { ...entry, opened: signed } satisfies OutcomeEntry);
  }

  async request(ctx: Context, requestId: string): Promise<string> {
    const entry = await requestOf(ctx, requestId);
    return JSON.stringify({ ...entry, legs: await legsOf(ctx, requestId) });
  }

  async outcome(ctx: Context, requestId: string): Promise<string> {
    return JSON.stringify(
      (await getJson(ctx, outcomeKey(ctx, requestId))) ?? refuse('OUTCOME_UNKNOWN', 'not decided here'),
    );
  }

  /** Requests of this region that still lack a leg's final word, oldest ids first. */
  async pending(ctx: Context): Promise<string> {
    const pending: RequestEntry[] = [];
    for await (const { requestId } of readAll<{ requestId: string }>(ctx, 'pending', [])) {
      pending.push(await requestOf(ctx, requestId));
      if (pending.length === MAX_LIST) break;
    }
    return JSON.stringify(pending);
  }

  /** Requests of any region that wait for this patient's consent. */
  async waiting(ctx: Context, pseudonym: string): Promise<string> {
    const waiting: unknown[] = [];
    for await (const entry of readAll(ctx, 'waiting', pseudonym === '' ? [] : [pseudonym])) waiting.push(entry);
    return JSON.stringify(waiting);
  }

  /** Everything this chain knows about who asked for a patient's records. Only the patient may ask. */
  async accesses(ctx: Context, json: string): Promise<string> {
    const signed = documentArgument(AccessQuery, json, await foundation(ctx));
    const { pseudonym, signedAt } = signed.document;
    requireRecent(signedAt, now(ctx));
    requireKeySignature(signed, (await patientOf(ctx, pseudonym)).signingKey);
    const accesses: Access[] = [];
    for await (const { requestId } of readAll<{ requestId: string }>(ctx, 'access', [pseudonym])) {
      const decided = await getJson<OutcomeEntry>(ctx, outcomeKey(ctx, requestId));
      const request = decided?.request ?? (await requestOf(ctx, requestId)).signed;
      accesses.push({
        requestId,
        request,
        ...(decided === undefined ? {} : { outcome: decided.outcome, transactionId: decided.transactionId }),
        ...(decided?.opened === undefined ? {} : { openedAt: decided.opened.document.openedAt }),
        legs: await legsOf(ctx, requestId),
      });
    }
    return JSON.stringify(accesses);
  }
}

const parseReceipts = parser('receipts', Type.Array(Type.Unknown(), { minItems: 1, maxItems: 64 }));
const parseProofs = parser('proofs', Type.Array(Type.Unknown(), { minItems: 1, maxItems: 64 }));

const requestKey = (ctx: Context, requestId: string): string => ctx.stub.createCompositeKey('request', [requestId]);
const pendingKey = (ctx: Context, requestId: string): string => ctx.stub.createCompositeKey('pending', [requestId]);
const outcomeKey = (ctx: Context, requestId: string): string => ctx.stub.createCompositeKey('outcome', [requestId]);
const legKey = (ctx: Context, requestId: string, region: string): string =>
  ctx.stub.createCompositeKey('leg', [requestId, region]);

async function requestOf(ctx: Context, requestId: string): Promise<RequestEntry> {
  return (await getJson<RequestEntry>(ctx, requestKey(ctx, requestId))) ?? refuse('REQUEST_UNKNOWN', 'no such request');
}

async function legsOf(ctx: Context, requestId: string): Promise<Leg[]> {
  const legs: Leg[] = [];
  for await (const leg of readAll<Leg>(ctx, 'leg', [requestId])) legs.push(leg);
  return legs;
}

/** Times sort as text for the next three centuries. */
const sortable = (at: number): string => String(at).padStart(14, '0');

async function noteAccess(ctx: Context, pseudonym: string, at: number, requestId: string): Promise<void> {
  await putJson(ctx, ctx.stub.createCompositeKey('access', [pseudonym, sortable(at), requestId]), { requestId });
}

function requireInTime(request: Request, at: number): void {
  if (request.notAfter <= request.notBefore || request.notAfter - request.notBefore > MAX_PERIOD_MS) {
    refuse('PERIOD_INVALID', 'the request’s period is empty or too long');
  }
  if (at < request.notBefore) refuse('NOT_YET_VALID', 'the request is not valid yet');
  if (at > request.notAfter) refuse('REQUEST_EXPIRED', 'the request is over');
}

async function recordRequest(
  ctx: Context,
  signed: SignedBy<typeof Request>,
  homes: readonly string[],
  at: number,
): Promise<string> {
  const requestId = documentId(Request.type, signed.document);
  const known = await getJson<RequestEntry>(ctx, requestKey(ctx, requestId));
  if (known !== undefined) {
    const found = known.homes.length === 0 && homes.length > 0 && (await legsOf(ctx, requestId)).length === 0;
    if (!found) return requestId;
    // No region was known when the question was recorded, and one is by now.
    await ctx.stub.deleteState(pendingKey(ctx, requestId));
  }
  requireInTime(signed.document, at);
  const entry: RequestEntry = { requestId, signed, homes: [...homes].sort(), askedAt: known?.askedAt ?? at };
  await putJson(ctx, requestKey(ctx, requestId), entry);
  const { region, pseudonym } = signed.document;
  if (homes.length !== 1 || homes[0] !== region) {
    await putJson(ctx, pendingKey(ctx, requestId), { requestId });
    if (!homes.includes(region)) await noteAccess(ctx, pseudonym, at, requestId);
  }
  return requestId;
}

async function writeOutcome(ctx: Context, entry: OutcomeEntry): Promise<string> {
  const { requestId, pseudonym, decidedAt } = entry.outcome;
  await putJson(ctx, outcomeKey(ctx, requestId), entry);
  await noteAccess(ctx, pseudonym, decidedAt, requestId);
  await ctx.stub.deleteState(ctx.stub.createCompositeKey('waiting', [pseudonym, requestId]));
  const payload = JSON.stringify(entry.outcome);
  ctx.stub.setEvent('outcome', new TextEncoder().encode(requestId));
  return payload;
}

/** Writes legs' final words, and closes the request with the last one. */
async function settleLegs(ctx: Context, requestId: string, legs: readonly Leg[]): Promise<void> {
  const { homes, signed } = await requestOf(ctx, requestId);
  const expected = homes.length === 0 ? ['main'] : homes.filter((region) => region !== signed.document.region);
  const settled = new Map((await legsOf(ctx, requestId)).map((leg) => [leg.region, leg]));
  for (const leg of legs) {
    if (!expected.includes(leg.region)) refuse('REGION_UNKNOWN', 'the request did not go there');
    const known = settled.get(leg.region);
    if (known !== undefined && known.outcome !== 'failed') continue;
    settled.set(leg.region, leg);
    await putJson(ctx, legKey(ctx, requestId, leg.region), leg);
  }
  if (expected.every((region) => settled.has(region))) await ctx.stub.deleteState(pendingKey(ctx, requestId));
}

/** The key certificate a request names: as registered here, else as brought along and checked. */
async function keyCertificateArgument(
  ctx: Context,
  { federation }: Foundation,
  json: string,
  keyCertificateId: string,
  mirror: Mirror,
  at: number,
): Promise<SignedKeyCertificate> {
  const known = await keyCertificateOf(ctx, keyCertificateId);
  if (known !== undefined) return known;
  const signed = documentArgument(KeyCertificate, json, { federation, region: mirror.entry.region });
  if (checkKeyCertificate(signed, mirror, at) !== keyCertificateId)
    refuse('KEY_CERTIFICATE_MISMATCH', 'the request names another key certificate');
  return signed;
}

/**
 * Whether the document is signed by the very certificate the key certificate names and that certificate is still
 * in force. A wrong signature is refused; a certificate that was revoked or expired is an answer.
 */
function requesterHolds(
  signed: SignedBy<typeof Request> | SignedBy<typeof OpenedReceipt>,
  keyCertificate: SignedKeyCertificate,
  mirror: Mirror,
  at: number,
): boolean {
  const { document } = keyCertificate;
  if (at < document.notBefore || at > document.notAfter) return false;
  try {
    const [identity, ...others] = requireCertificateSignatures(signed, identifier(mirror, document.mspId, at));
    if (others.length > 0 || identity.fingerprint !== document.certificate)
      refuse('CERTIFICATE_MISMATCH', 'signed by another certificate than the key certificate names');
    return true;
  } catch (error) {
    if (isCertificateFault(error)) return false;
    throw error;
  }
}

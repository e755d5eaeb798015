import { type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { verifyOutcome } from '@yilian/ledger/verify';
import {
  documentId,
  Hash,
  type OutcomeProof,
  Pseudonym,
  parseOutcome,
  parser,
  RegionId,
  Request,
  type SignedBy,
} from '@yilian/protocol';
import { Type } from '@yilian/schema';
import { noteAccess } from './accesses.ts';
import { MIRROR_TTL_MS } from './freshness.ts';
import { unpackProofs } from './packed-proofs.ts';
import { keyCertificateOf } from './practitioners.ts';
import {
  documentArgument,
  type Foundation,
  foundation,
  idArgument,
  mirrorOf,
  now,
  parseArgument,
  payloadOf,
  proofArgument,
  requireRole,
  textArgument,
} from './region.ts';
import {
  type Leg,
  legKey,
  legsOf,
  MAX_LIST,
  outcomeKey,
  pendingKey,
  type RequestEntry,
  requestKey,
  requestOf,
} from './request-state.ts';
import { keyCertificateArgument, requesterHolds } from './requester.ts';
import { readPaths } from './state.ts';

const MAX_PERIOD_MS = 7 * 86_400_000;
/** How long after a request's end its region waits for a home's word before it says `failed`. */
const UNREACHABLE_AFTER_MS = 120_000;
const MAX_HOMES = 64;
/** The leg of a request that no region is known for. */
const MAIN = 'main';
const parseHomeList = parser('homes', Type.Array(RegionId, { maxItems: MAX_HOMES, uniqueItems: true }));
const parseAbsence = parser(
  'absence',
  Type.Object({ pseudonym: Pseudonym, requestId: Hash }, { additionalProperties: false }),
);

/** Requesting side: records a practitioner's question and the regions it goes to. */
export async function ask(ctx: Context, json: string, homesJson: string): Promise<string> {
  requireRole(ctx, 'relay');
  const home = await foundation(ctx);
  const at = now(ctx);
  const signed = documentArgument(Request, json, home);
  const mirror = await mirrorOf(ctx, home.region);
  const { keyCertificate: keyCertificateId } = signed.document;
  const known = await keyCertificateOf(ctx, keyCertificateId);
  const keyCertificate = keyCertificateArgument(home, '', { keyCertificateId, known, mirror, at });
  if (!requesterHolds(signed, keyCertificate, mirror, at))
    refuse('CERTIFICATE_INVALID', 'the requester’s certificate is not in force');
  const { requestId } = await recordRequest(ctx, signed, homesArgument(homesJson), at);
  return requestId;
}

export function homesArgument(json: string): string[] {
  const homes = parseHomeList(parseArgument(json, 'list'));
  return homes.includes(MAIN) ? refuse('REGION_UNKNOWN', 'the main chain holds no records') : homes;
}

/** A request's period is not empty and not too long. @throws PERIOD_INVALID */
export function requirePeriod({ notBefore, notAfter }: Request): void {
  if (notAfter <= notBefore || notAfter - notBefore > MAX_PERIOD_MS)
    refuse('PERIOD_INVALID', 'the request’s period is empty or too long');
}

/**
 * Writes a request and that it is pending. A second time adds homes that became known meanwhile, as long as a final
 * word is missing. The caller deletes what is pending when it settles the request in the same transaction.
 */
export async function recordRequest(
  ctx: Context,
  signed: SignedBy<typeof Request>,
  homes: readonly string[],
  at: number,
): Promise<RequestEntry> {
  const requestId = documentId(Request.type, signed.document);
  const known = await getJson<RequestEntry>(ctx, requestKey(ctx, requestId));
  const all = [...new Set([...(known?.homes ?? []), ...homes])].sort();
  if (known !== undefined && all.length === known.homes.length) return known;
  if (known !== undefined && (await getJson(ctx, pendingKey(requestId))) === undefined) return known;
  if (all.length > MAX_HOMES) refuse('REGION_UNKNOWN', 'too many homes');
  const { notBefore, notAfter, region, pseudonym } = signed.document;
  requirePeriod(signed.document);
  if (at < notBefore) refuse('NOT_YET_VALID', 'the request is not valid yet');
  if (at > notAfter) refuse('REQUEST_EXPIRED', 'the request is over');
  const entry: RequestEntry = { requestId, signed, homes: all, askedAt: known?.askedAt ?? at };
  await putJson(ctx, requestKey(ctx, requestId), entry);
  await putJson(ctx, pendingKey(requestId), { requestId });
  if (!all.includes(region) && known === undefined) await noteAccess(ctx, { pseudonym, at, requestId });
  return entry;
}

/** Requesting side: copies home outcomes, each with its proof; at most one transaction a second carries many. */
export async function mirrorOutcomes(ctx: Context, packed: string): Promise<void> {
  requireRole(ctx, 'relay');
  const home = await foundation(ctx);
  const at = now(ctx);
  const legs = new Map<string, Leg[]>();
  for (const proof of unpackProofs(textArgument(packed, 'proofs'))) {
    const { requestId, leg } = await provenLeg(ctx, home, proof, at);
    legs.set(requestId, [...(legs.get(requestId) ?? []), leg]);
  }
  for (const [requestId, settled] of legs) await settleLegs(ctx, await requestOf(ctx, requestId), settled);
}

async function provenLeg(ctx: Context, home: Foundation, proof: OutcomeProof, at: number) {
  const { entry } = await mirrorOf(ctx, proof.network);
  const verified = verifyOutcome(proof, entry.trusts, { function: 'Requests:decide' }, at);
  const said = parseOutcome(payloadOf(verified));
  const { region, federation, requestId, outcome, decidedAt } = said;
  if (region !== proof.network || federation !== home.federation)
    refuse('PROOF_MISMATCH', 'the outcome is another region’s');
  const asked = (await requestOf(ctx, requestId)).signed.document;
  const same =
    said.requestingRegion === home.region &&
    said.pseudonym === asked.pseudonym &&
    said.keyCertificate === asked.keyCertificate &&
    said.purpose === asked.purpose;
  if (!same) refuse('PROOF_MISMATCH', 'the outcome is not about what was asked');
  const leg: Leg = { region, outcome, at: decidedAt, transactionId: verified.transactionId };
  return { requestId, leg };
}

/** Requesting side: the main chain's fresh proof that no region holds the patient. */
export async function recordAbsence(ctx: Context, requestId: string, proofJson: string): Promise<void> {
  requireRole(ctx, 'relay');
  const home = await foundation(ctx);
  const at = now(ctx);
  const verified = verifyOutcome(proofArgument(proofJson), home.main, { function: 'Index:absent' }, at);
  const entry = await requestOf(ctx, idArgument('hash', requestId));
  const said = parseAbsence(payloadOf(verified));
  if (said.requestId !== requestId || said.pseudonym !== entry.signed.document.pseudonym)
    refuse('PROOF_MISMATCH', 'the proof is about another request');
  if (verified.block < entry.signed.document.minMainHeight)
    refuse('PROOF_MISMATCH', 'the proof is older than the request allows');
  if (at - verified.timestamp > MIRROR_TTL_MS) refuse('ROOTS_STALE', 'the main chain may know a region by now');
  const { timestamp, transactionId } = verified;
  await settleLegs(ctx, entry, [{ region: MAIN, outcome: 'absent', at: timestamp, transactionId }]);
}

/** Requesting side: a home that never answered, long after the request's end. A later proof supersedes it. */
export async function failLeg(ctx: Context, requestId: string, region: string): Promise<void> {
  requireRole(ctx, 'relay');
  const at = now(ctx);
  const entry = await requestOf(ctx, idArgument('hash', requestId));
  if (!expectedOf(entry).includes(region)) refuse('REGION_UNKNOWN', 'the request did not go there');
  if (at <= entry.signed.document.notAfter + UNREACHABLE_AFTER_MS) refuse('NOT_YET_VALID', 'the home may still answer');
  if ((await getJson(ctx, legKey(ctx, requestId, region))) !== undefined) return;
  await settleLegs(ctx, entry, [{ region, outcome: 'failed', at, transactionId: ctx.stub.getTxID() }]);
}

/** Requests of this region that still lack a final word, by id, after this one. */
export async function pendingRequests(ctx: Context, after: string): Promise<string> {
  const pending: RequestEntry[] = [];
  const from = after === '' ? '' : idArgument('hash', after);
  for await (const { value } of readPaths<{ requestId: string }>(ctx, ['pending'], from)) {
    if (pending.push(await requestOf(ctx, value.requestId)) === MAX_LIST) break;
  }
  return JSON.stringify(pending);
}

/** Who has to say a word in a leg: every home but this region, whose own word is its outcome. */
function expectedOf({ homes, signed }: RequestEntry): readonly string[] {
  return homes.length === 0 ? [MAIN] : homes.filter((region) => region !== signed.document.region);
}

/** Writes legs' final words, and closes the request with the last one. */
async function settleLegs(ctx: Context, entry: RequestEntry, legs: readonly Leg[]): Promise<void> {
  const { requestId, homes, signed } = entry;
  const expected = expectedOf(entry);
  const settled = new Map((await legsOf(ctx, requestId)).map((leg) => [leg.region, leg]));
  for (const leg of legs) {
    if (!expected.includes(leg.region)) refuse('REGION_UNKNOWN', 'the request did not go there');
    const known = settled.get(leg.region);
    const next = known === undefined ? leg : supersede(known, leg);
    settled.set(leg.region, next);
    if (next !== known) await putJson(ctx, legKey(ctx, requestId, leg.region), next);
  }
  const ownOpen =
    homes.includes(signed.document.region) && (await getJson(ctx, outcomeKey(ctx, requestId))) === undefined;
  const open = ownOpen || !expected.every((region) => settled.has(region));
  if (!open) await ctx.stub.deleteState(pendingKey(requestId));
}

/** A home's word replaces that there was none; a second, other word of it stays visible beside the first. */
export function supersede(known: Leg, leg: Leg): Leg {
  if (known.outcome === 'failed') return leg.outcome === 'failed' ? known : { ...leg, failedAt: known.at };
  // The main chain states an absence as often as it is asked: a second statement contradicts nothing.
  if (leg.region === MAIN || leg.outcome === 'failed' || leg.transactionId === known.transactionId) return known;
  if (known.conflict !== undefined) return known;
  return { ...known, conflict: leg.transactionId };
}

/** Whether this region's own decision is all that the request still lacks. */
export async function lacksOnlyOwn(ctx: Context, entry: RequestEntry): Promise<boolean> {
  const settled = new Set((await legsOf(ctx, entry.requestId)).map(({ region }) => region));
  return expectedOf(entry).every((region) => settled.has(region));
}

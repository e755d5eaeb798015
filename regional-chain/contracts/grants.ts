import { ChainContract, type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import {
  DestructionReceipt,
  documentId,
  Grant,
  Revocation,
  requireKeySignature,
  type SignedBy,
} from '@yilian/protocol';
import type { GrantState } from './consent.ts';
import { patientOf, scopeKeyOf } from './patients.ts';
import { adoptKeyCertificate } from './practitioners.ts';
import { proxiesOf, proxyOf, registerProxy } from './proxies.ts';
import {
  documentArgument,
  foundation,
  idArgument,
  mirrorOf,
  now,
  requireRecent,
  requireRole,
  requireSigner,
} from './region.ts';
import { readAll } from './state.ts';

/** A grant on the chain. */
export interface GrantEntry extends GrantState {
  readonly signed: SignedBy<typeof Grant>;
  readonly revocation?: SignedBy<typeof Revocation>;
  /** The transaction that ended it. */
  readonly revokedBy?: string;
  readonly destroyed: readonly SignedBy<typeof DestructionReceipt>[];
}

/** The longest a grant may run. */
const MAX_PERIOD_MS = 5 * 366 * 86_400_000;
/** Grants of one patient to one key certificate that a decision reads; ended ones make room. */
const MAX_GRANTS = 64;
const MAX_LIST = 1000;

/** Where proxies are, what patients granted and revoked, and what proxies did about it. */
export class GrantContract extends ChainContract {
  constructor() {
    super('Grants');
  }

  async proxy(ctx: Context, json: string): Promise<void> {
    await registerProxy(ctx, json);
  }

  async proxies(ctx: Context): Promise<string> {
    return JSON.stringify(await proxiesOf(ctx));
  }

  /** Records a patient's grant. A grantee of another region comes with proof that its own chain registered its key. */
  async grant(ctx: Context, json: string, keyCertificateJson: string, proofJson: string): Promise<string> {
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(Grant, json, home);
    const grant = signed.document;
    requireRecent(grant.signedAt, at);
    requireKeySignature(signed, (await patientOf(ctx, grant.pseudonym)).signingKey);
    const grantId = documentId(Grant.type, grant);
    if ((await getJson(ctx, grantKey(ctx, grantId))) !== undefined) return grantId;
    if ((await getJson(ctx, revokedKey(ctx, grantId))) !== undefined) refuse('REVOKED', 'the grant is revoked');
    await requireSoundGrant(ctx, grant, at);
    const keyCertificate = await adoptKeyCertificate(ctx, keyCertificateJson, proofJson);
    if (documentId('key-certificate', keyCertificate.document) !== grant.grantee)
      refuse('GRANTEE_MISMATCH', 'the grant names another key certificate');
    await makeRoom(ctx, grant, at);
    const entry: GrantEntry = { grantId, grant, signed, acknowledgedBy: [], destroyed: [] };
    await putJson(ctx, grantKey(ctx, grantId), entry);
    await putJson(ctx, listKey(ctx, 'grant-of', entry), { grantId });
    return grantId;
  }

  /** A proxy's word that it holds valid key fragments of this grant. */
  async acknowledge(ctx: Context, grantId: string): Promise<void> {
    const mspId = requireRole(ctx, 'proxy');
    now(ctx);
    const entry = await grantOf(ctx, idArgument('hash', grantId));
    if (!entry.grant.proxies.some((proxy) => proxy.mspId === mspId))
      refuse('PROXY_UNKNOWN', 'the grant names other proxies');
    if (entry.revokedAt !== undefined) refuse('REVOKED', 'the grant is revoked');
    if (entry.destroyed.some(({ document }) => document.mspId === mspId))
      refuse('DESTROYED', 'this proxy destroyed its fragments');
    if (entry.acknowledgedBy.includes(mspId)) return;
    await putJson(ctx, grantKey(ctx, grantId), {
      ...entry,
      acknowledgedBy: [...entry.acknowledgedBy, mspId].sort(),
    } satisfies GrantEntry);
  }

  /**
   * Ends a grant. Anyone may bring the patient's signature, at any time; a second time changes nothing. A grant that is
   * not on the chain cannot come later.
   */
  async revoke(ctx: Context, json: string): Promise<void> {
    const signed = documentArgument(Revocation, json, await foundation(ctx));
    const at = now(ctx);
    const { grantId, pseudonym } = signed.document;
    requireKeySignature(signed, (await patientOf(ctx, pseudonym)).signingKey);
    const entry = await getJson<GrantEntry>(ctx, grantKey(ctx, grantId));
    if (entry !== undefined && entry.grant.pseudonym !== pseudonym)
      refuse('GRANT_MISMATCH', 'the grant is another patient’s');
    if (entry?.revokedAt !== undefined) return;
    if (entry === undefined) await putJson(ctx, revokedKey(ctx, grantId), { pseudonym, at });
    else {
      const revokedBy = ctx.stub.getTxID();
      const revoked: GrantEntry = { ...entry, revokedAt: at, revocation: signed, revokedBy };
      await putJson(ctx, grantKey(ctx, grantId), revoked);
    }
    ctx.stub.setEvent('revoked', new TextEncoder().encode(grantId));
  }

  /** A proxy's signed word that it destroyed its key fragments of a revoked or ended grant. */
  async destroyed(ctx: Context, json: string): Promise<void> {
    const mspId = requireRole(ctx, 'proxy');
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(DestructionReceipt, json, home);
    const receipt = signed.document;
    const entry = await grantOf(ctx, receipt.grantId);
    const held = entry.grant.proxies.find((proxy) => proxy.mspId === mspId);
    if (receipt.mspId !== mspId || held?.commitment !== receipt.commitment)
      refuse('RECEIPT_MISMATCH', 'the receipt is not about this proxy’s fragments');
    if (entry.revokedAt === undefined && at <= entry.grant.notAfter)
      refuse('NOT_REVOKED', 'the grant is still in force');
    requireSigner(signed, { mirror: await mirrorOf(ctx, home.region), mspId, role: 'proxy' }, at);
    if (entry.destroyed.some(({ document }) => document.mspId === mspId)) return;
    await putJson(ctx, grantKey(ctx, receipt.grantId), {
      ...entry,
      destroyed: [...entry.destroyed, signed],
    } satisfies GrantEntry);
  }

  async get(ctx: Context, grantId: string): Promise<string> {
    return JSON.stringify(await grantOf(ctx, idArgument('hash', grantId)));
  }

  /** All grants of a patient, or only those to one key certificate; those that made room for others last. */
  async list(ctx: Context, pseudonym: string, grantee: string): Promise<string> {
    idArgument('pseudonym', pseudonym);
    const of = grantee === '' ? [pseudonym] : [pseudonym, idArgument('hash', grantee)];
    const grants = await read(ctx, 'grant-of', of);
    return JSON.stringify([...grants, ...(await read(ctx, 'grant-past', of))].slice(0, MAX_LIST));
  }
}

function grantKey(ctx: Context, grantId: string): string {
  return ctx.stub.createCompositeKey('grant', [grantId]);
}

/** Marks a grant that was revoked before it came. */
function revokedKey(ctx: Context, grantId: string): string {
  return ctx.stub.createCompositeKey('revoked', [grantId]);
}

function listKey(ctx: Context, list: 'grant-of' | 'grant-past', { grant, grantId }: GrantState): string {
  return ctx.stub.createCompositeKey(list, [grant.pseudonym, grant.grantee, grantId]);
}

/** @throws GRANT_UNKNOWN */
export async function grantOf(ctx: Context, grantId: string): Promise<GrantEntry> {
  return (await getJson<GrantEntry>(ctx, grantKey(ctx, grantId))) ?? refuse('GRANT_UNKNOWN', 'no such grant');
}

/** A patient's grants to one key certificate, in the order of their ids: what a decision rests on. */
export function grantsOf(ctx: Context, pseudonym: string, grantee: string): Promise<GrantEntry[]> {
  return read(ctx, 'grant-of', [pseudonym, grantee]);
}

async function read(ctx: Context, list: 'grant-of' | 'grant-past', of: readonly string[]): Promise<GrantEntry[]> {
  const entries: GrantEntry[] = [];
  for await (const { grantId } of readAll<{ grantId: string }>(ctx, list, of)) {
    if (entries.push(await grantOf(ctx, grantId)) === MAX_LIST) break;
  }
  return entries;
}

async function requireSoundGrant(ctx: Context, grant: Grant, at: number): Promise<void> {
  const { pseudonym, scopes, proxies, threshold, notBefore, notAfter } = grant;
  if (notAfter <= Math.max(notBefore, at) || notAfter - notBefore > MAX_PERIOD_MS)
    refuse('PERIOD_INVALID', 'the period is empty, over or too long');
  if (new Set(scopes.map(({ scope }) => scope)).size !== scopes.length)
    refuse('SCOPE_REPEATED', 'a scope is named twice');
  const others: string[] = [];
  for (const { scope, epoch } of scopes) {
    const current = (await scopeKeyOf(ctx, pseudonym, scope))?.document.epoch;
    if (current !== epoch) others.push(`${scope} is at epoch ${current ?? 'none'}`);
  }
  if (others.length > 0) refuse('EPOCH', others.join(', '));
  const mspIds = new Set(proxies.map(({ mspId }) => mspId));
  if (mspIds.size !== proxies.length || threshold > mspIds.size)
    refuse('THRESHOLD_INVALID', 'proxies repeat or are fewer than the threshold');
  for (const mspId of mspIds) {
    if ((await proxyOf(ctx, mspId)) === undefined) refuse('PROXY_UNKNOWN', `${mspId} has no proxy`);
  }
}

/** Keeps what a decision has to read small: grants that ended leave its list, the others are counted. */
async function makeRoom(ctx: Context, { pseudonym, grantee }: Grant, at: number): Promise<void> {
  const known = await grantsOf(ctx, pseudonym, grantee);
  if (known.length < MAX_GRANTS) return;
  const ended = known.filter(({ grant, revokedAt }) => revokedAt !== undefined || grant.notAfter < at);
  if (ended.length === 0) refuse('GRANTS_TOO_MANY', `${MAX_GRANTS} grants to this key certificate are in force`);
  for (const entry of ended) {
    await ctx.stub.deleteState(listKey(ctx, 'grant-of', entry));
    await putJson(ctx, listKey(ctx, 'grant-past', entry), { grantId: entry.grantId });
  }
}

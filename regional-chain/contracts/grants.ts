import { type Context, Contract, getJson, putJson, refuse } from '@yilian/ledger/contract';
import {
  DestructionReceipt,
  documentId,
  Grant,
  ProxyKey,
  Revocation,
  requireCertificateSignatures,
  requireKeySignature,
  type SignedBy,
} from '@yilian/protocol';
import type { GrantState } from './consent.ts';
import { patientOf, scopeKeyOf } from './patients.ts';
import { adoptKeyCertificate } from './practitioners.ts';
import {
  documentArgument,
  foundation,
  identifier,
  mirrorOf,
  now,
  ROLE_ATTRIBUTE,
  requireRecent,
  requireRole,
} from './region.ts';
import { readAll } from './state.ts';

/** A grant on the chain. */
export interface GrantEntry extends GrantState {
  readonly signed: SignedBy<typeof Grant>;
  readonly revocation?: SignedBy<typeof Revocation>;
  readonly destroyed: readonly SignedBy<typeof DestructionReceipt>[];
}

/** The longest a grant may run. */
const MAX_PERIOD_MS = 5 * 366 * 86_400_000;

/** Where proxies are, what patients granted and revoked, and what proxies did about it. */
export class GrantContract extends Contract {
  constructor() {
    super('Grants');
  }

  /** Registers the key patients seal key fragments to for this organisation's proxy. */
  async proxy(ctx: Context, json: string): Promise<void> {
    const mspId = requireRole(ctx, 'proxy');
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(ProxyKey, json, home);
    requireRecent(signed.document.signedAt, at);
    if (signed.document.mspId !== mspId) refuse('CUSTODY_MISMATCH', 'an organisation registers its own proxy');
    requireProxySignature(signed, identifier(await mirrorOf(ctx, home.region), mspId, at));
    await putJson(ctx, ctx.stub.createCompositeKey('proxy', [mspId]), signed);
  }

  async proxies(ctx: Context): Promise<string> {
    const proxies: SignedBy<typeof ProxyKey>[] = [];
    for await (const proxy of readAll<SignedBy<typeof ProxyKey>>(ctx, 'proxy', [])) proxies.push(proxy);
    return JSON.stringify(proxies);
  }

  /** Records a patient's grant. A grantee of another region comes with proof that its own chain registered its key. */
  async grant(ctx: Context, json: string, keyCertificateJson: string, proofJson: string): Promise<string> {
    const home = await foundation(ctx);
    const at = now(ctx);
    const signed = documentArgument(Grant, json, home);
    const grant = signed.document;
    requireRecent(grant.signedAt, at);
    requireKeySignature(signed, (await patientOf(ctx, grant.pseudonym)).signingKey);
    if (grant.notAfter <= Math.max(grant.notBefore, at) || grant.notAfter - grant.notBefore > MAX_PERIOD_MS) {
      refuse('PERIOD_INVALID', 'the period is empty, over or too long');
    }
    const keyCertificate = await adoptKeyCertificate(ctx, keyCertificateJson, proofJson);
    if (documentId('key-certificate', keyCertificate.document) !== grant.grantee) {
      refuse('GRANTEE_MISMATCH', 'the grant names another key certificate');
    }
    for (const { scope, epoch } of grant.scopes) {
      const current = await scopeKeyOf(ctx, grant.pseudonym, scope);
      if (current?.document.epoch !== epoch) refuse('EPOCH', `scope ${scope} is not at epoch ${epoch}`);
    }
    if (new Set(grant.scopes.map(({ scope }) => scope)).size !== grant.scopes.length)
      refuse('SCOPE_REPEATED', 'a scope is named twice');
    const proxies = new Set(grant.proxies.map(({ mspId }) => mspId));
    if (proxies.size !== grant.proxies.length || grant.threshold > proxies.size) {
      refuse('THRESHOLD_INVALID', 'proxies repeat or are fewer than the threshold');
    }
    for (const mspId of proxies) {
      if ((await getJson(ctx, ctx.stub.createCompositeKey('proxy', [mspId]))) === undefined)
        refuse('PROXY_UNKNOWN', `${mspId} has no proxy`);
    }
    const grantId = documentId(Grant.type, grant);
    if ((await getJson(ctx, grantKey(ctx, grantId))) !== undefined) return grantId;
    const entry: GrantEntry = { grantId, grant, signed, acknowledgedBy: [], destroyed: [] };
    await putJson(ctx, grantKey(ctx, grantId), entry);
    await putJson(ctx, ctx.stub.createCompositeKey('grant-of', [grant.pseudonym, grant.grantee, grantId]), { grantId });
    return grantId;
  }

  /** A proxy's word that it holds valid key fragments of this grant. */
  async acknowledge(ctx: Context, grantId: string): Promise<void> {
    const mspId = requireRole(ctx, 'proxy');
    now(ctx);
    const entry = await grantOf(ctx, grantId);
    if (!entry.grant.proxies.some((proxy) => proxy.mspId === mspId))
      refuse('PROXY_UNKNOWN', 'the grant names other proxies');
    if (entry.revokedAt !== undefined) refuse('REVOKED', 'the grant is revoked');
    if (entry.acknowledgedBy.includes(mspId)) return;
    await putJson(ctx, grantKey(ctx, grantId), {
      ...entry,
      acknowledgedBy: [...entry.acknowledgedBy, mspId].sort(),
    } satisfies GrantEntry);
  }

  /** Ends a grant. Anyone may bring the patient's signature, at any time; a second time changes nothing. */
  async revoke(ctx: Context, json: string): Promise<void> {
    const signed = documentArgument(Revocation, json, await foundation(ctx));
    const at = now(ctx);
    const { grantId, pseudonym } = signed.document;
    const entry = await grantOf(ctx, grantId);
    if (entry.grant.pseudonym !== pseudonym) refuse('GRANT_MISMATCH', 'the grant is another patient’s');
    requireKeySignature(signed, (await patientOf(ctx, pseudonym)).signingKey);
    if (entry.revokedAt !== undefined) return;
    await putJson(ctx, grantKey(ctx, grantId), { ...entry, revokedAt: at, revocation: signed } satisfies GrantEntry);
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
    requireProxySignature(signed, identifier(await mirrorOf(ctx, home.region), mspId, at));
    if (entry.destroyed.some(({ document }) => document.mspId === mspId)) return;
    await putJson(ctx, grantKey(ctx, receipt.grantId), {
      ...entry,
      destroyed: [...entry.destroyed, signed],
    } satisfies GrantEntry);
  }

  async get(ctx: Context, grantId: string): Promise<string> {
    return JSON.stringify(await grantOf(ctx, grantId));
  }

  /** All grants of a patient, or only those to one key certificate. */
  async list(ctx: Context, pseudonym: string, grantee: string): Promise<string> {
    return JSON.stringify(await grantsOf(ctx, pseudonym, grantee));
  }
}

function requireProxySignature(
  signed: Parameters<typeof requireCertificateSignatures>[0],
  identify: Parameters<typeof requireCertificateSignatures>[1],
): void {
  const [identity] = requireCertificateSignatures(signed, identify);
  if (identity.attributes[ROLE_ATTRIBUTE] !== 'proxy') refuse('ROLE_REQUIRED', 'the certificate is not a proxy’s');
}

function grantKey(ctx: Context, grantId: string): string {
  return ctx.stub.createCompositeKey('grant', [grantId]);
}

async function grantOf(ctx: Context, grantId: string): Promise<GrantEntry> {
  return (await getJson<GrantEntry>(ctx, grantKey(ctx, grantId))) ?? refuse('GRANT_UNKNOWN', 'no such grant');
}

/** A patient's grants, in the order of their ids; `grantee` empty for all. */
export async function grantsOf(ctx: Context, pseudonym: string, grantee: string): Promise<GrantEntry[]> {
  const entries: GrantEntry[] = [];
  const prefix = grantee === '' ? [pseudonym] : [pseudonym, grantee];
  for await (const { grantId } of readAll<{ grantId: string }>(ctx, 'grant-of', prefix)) {
    entries.push(await grantOf(ctx, grantId));
  }
  return entries;
}

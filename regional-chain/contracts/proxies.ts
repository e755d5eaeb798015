import { type Context, getJson, putJson, refuse } from '@yilian/ledger/contract';
import { PublicKey } from '@yilian/pre';
import { documentId, fromBase64url, ProxyKey, type SignedBy } from '@yilian/protocol';
import { documentArgument, foundation, mirrorOf, now, requireRecent, requireRole, requireSigner } from './region.ts';
import { readAll } from './state.ts';

export type SignedProxyKey = SignedBy<typeof ProxyKey>;

/** Registers the key patients seal key fragments to for the submitter's proxy. A later document replaces it. */
export async function registerProxy(ctx: Context, json: string): Promise<void> {
  const mspId = requireRole(ctx, 'proxy');
  const home = await foundation(ctx);
  const at = now(ctx);
  const signed = documentArgument(ProxyKey, json, home);
  const { key, signedAt } = signed.document;
  requireRecent(signedAt, at);
  if (signed.document.mspId !== mspId) refuse('CUSTODY_MISMATCH', 'an organisation registers its own proxy');
  requireSigner(signed, { mirror: await mirrorOf(ctx, home.region), mspId, role: 'proxy' }, at);
  PublicKey.fromBytes(fromBase64url(key));
  for (const { document } of await proxiesOf(ctx)) {
    if (document.mspId !== mspId && document.key === key) refuse('KEY_REUSED', 'another organisation has this key');
    if (document.mspId !== mspId) continue;
    if (documentId(ProxyKey.type, document) === documentId(ProxyKey.type, signed.document)) return;
    if (document.signedAt >= signedAt) refuse('DOCUMENT_TOO_OLD', 'a document signed no earlier is registered');
  }
  await putJson(ctx, proxyKey(ctx, mspId), signed);
}

export async function proxiesOf(ctx: Context): Promise<SignedProxyKey[]> {
  const proxies: SignedProxyKey[] = [];
  for await (const proxy of readAll<SignedProxyKey>(ctx, 'proxy', [])) proxies.push(proxy);
  return proxies;
}

export function proxyOf(ctx: Context, mspId: string): Promise<SignedProxyKey | undefined> {
  return getJson(ctx, proxyKey(ctx, mspId));
}

function proxyKey(ctx: Context, mspId: string): string {
  return ctx.stub.createCompositeKey('proxy', [mspId]);
}

import { PublicKey } from '@yilian/pre';
import { ProxyKey, parseSigned, type SignedBy } from '@yilian/protocol';
import { ClientError, checked } from './client-error.ts';
import type { FederationView } from './federation-view.ts';
import { requireSigner } from './identity.ts';
import { hasSignatures } from './signing.ts';

/**
 * Checks where an organisation's proxy is and which key is sealed to, up to the region's roots.
 * @throws PROXY_KEY_INVALID CERTIFICATE_UNTRUSTED CERTIFICATE_EXPIRED CERTIFICATE_REVOKED
 */
function checkProxy(view: FederationView, region: string, unchecked: SignedBy<typeof ProxyKey>, at: number): ProxyKey {
  const code = 'PROXY_KEY_INVALID';
  const signed = checked(code, 'not a proxy key', () => parseSigned(ProxyKey, unchecked));
  const proxy = signed.document;
  if (proxy.federation !== view.federation || proxy.region !== region)
    throw new ClientError(code, 'the proxy is of another region', { party: proxy.mspId });
  if (!hasSignatures(signed, 'ES256'))
    throw new ClientError(code, 'a proxy key has one signature', { party: proxy.mspId });
  checked(code, 'the proxy’s key is none', () => PublicKey.fromBase64url(proxy.key), proxy.mspId);
  requireSigner(code, signed, { trusts: view.trusts(region), mspId: proxy.mspId, role: 'proxy' }, at);
  return proxy;
}

/**
 * The proxies a grant goes to: those named, or all that the region has. One that is named and not as it should be is
 * an error; an unnamed one is left out.
 * @throws TOO_FEW_PROXIES, and as {@link checkProxy}
 */
export function chooseProxies(
  view: FederationView,
  region: string,
  offered: readonly SignedBy<typeof ProxyKey>[],
  choice: { readonly threshold: number; readonly named: readonly string[] | undefined; readonly at: number },
): ProxyKey[] {
  const { threshold, named, at } = choice;
  const chosen = new Map<string, ProxyKey>();
  for (const signed of offered) {
    const { mspId } = signed.document;
    if (named !== undefined && !named.includes(mspId)) continue;
    try {
      chosen.set(mspId, checkProxy(view, region, signed, at));
    } catch (error) {
      if (named !== undefined) throw error;
    }
  }
  const missing = named?.find((mspId) => !chosen.has(mspId));
  if (missing !== undefined) throw new ClientError('TOO_FEW_PROXIES', `${missing} has no proxy`, { party: missing });
  if (!Number.isInteger(threshold) || threshold < 1 || chosen.size < threshold)
    throw new ClientError('TOO_FEW_PROXIES', `${chosen.size} proxies cannot make a threshold of ${threshold}`);
  return [...chosen.values()].toSorted((a, b) => (a.mspId < b.mspId ? -1 : 1));
}

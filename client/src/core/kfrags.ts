import { generateKfrags, type PatientKeys, PublicKey, type Signer, sealTo, type VerifiedKeyFrag } from '@yilian/pre';
import { digest, kfragContext, type ProxyKey, toBase64url } from '@yilian/protocol';
import { ClientError } from './client-error.ts';
import { type HttpOptions, retried } from './http.ts';
import { ProxyClient } from './proxy-client.ts';

/** One proxy's key fragments, one for each scope, sealed to it. */
export interface SealedKfrags {
  readonly proxy: ProxyKey;
  readonly sealed: Uint8Array;
  /** SHA-256 of `sealed`, for the grant. */
  readonly commitment: string;
}

export interface DeliveredKfrags {
  /** MSP ids. */
  readonly acknowledgedBy: readonly string[];
  readonly undelivered: readonly { readonly party: string; readonly code: string }[];
}

const ATTEMPTS = 7;
const WAIT_MS = 100;

/** Makes the key fragments of every scope and seals each proxy's; no fragment outlives the call. */
export function sealKfrags(delegation: {
  readonly subject: { readonly federation: string; readonly region: string; readonly pseudonym: string };
  readonly keys: PatientKeys;
  readonly signer: Signer;
  readonly scopes: readonly { readonly scope: string; readonly epoch: number }[];
  /** Base64url point. */
  readonly receivingKey: string;
  readonly threshold: number;
  readonly proxies: readonly ProxyKey[];
}): SealedKfrags[] {
  const { subject, keys, signer, scopes, threshold, proxies } = delegation;
  const receivingKey = PublicKey.fromBase64url(delegation.receivingKey);
  const kfrags: VerifiedKeyFrag[][] = scopes.map(({ scope, epoch }) => {
    const delegatingKey = keys.scopeKey({ region: subject.region, scope, epoch });
    try {
      return generateKfrags({ delegatingKey, receivingKey, signer, threshold, shares: proxies.length });
    } finally {
      delegatingKey.wipe();
    }
  });
  const sealed = proxies.map((proxy, index) => {
    const own = kfrags.map((ofScope) => (ofScope[index] as VerifiedKeyFrag).toBytes());
    const plaintext = Uint8Array.from(own.flatMap((bytes) => [...bytes]));
    const context = kfragContext(subject.federation, subject.region, subject.pseudonym, proxy.mspId);
    const bytes = sealTo(PublicKey.fromBase64url(proxy.key), plaintext, context);
    for (const secret of [plaintext, ...own]) secret.fill(0);
    return { proxy, sealed: bytes, commitment: digest(bytes) };
  });
  for (const kfrag of kfrags.flat()) kfrag.wipe();
  return sealed;
}

/** Delivers to all at once; a proxy may need a moment to see the grant on its chain. */
export async function deliverKfrags(
  grantId: string,
  kfrags: readonly SealedKfrags[],
  http: HttpOptions,
): Promise<DeliveredKfrags> {
  const acknowledgedBy: string[] = [];
  const undelivered: { party: string; code: string }[] = [];
  await Promise.all(
    kfrags.map(async ({ proxy: { mspId, url }, sealed }) => {
      try {
        const body = { grantId, sealed: toBase64url(sealed) };
        await retried(ATTEMPTS, WAIT_MS, () => new ProxyClient(url, http).deliver(body));
        acknowledgedBy.push(mspId);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        undelivered.push({ party: mspId, code: error.code });
      }
    }),
  );
  return { acknowledgedBy: acknowledgedBy.toSorted(), undelivered };
}

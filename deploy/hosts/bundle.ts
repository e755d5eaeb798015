import { createHash, X509Certificate } from 'node:crypto';
import { isConfinedTo } from '@yilian/ledger';
import { FederationId, MspId, parser, RegionId } from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';
import { DeployError } from '../local/errors.ts';

const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const Certificate = Type.String({
  pattern: '^-----BEGIN CERTIFICATE-----\\n[A-Za-z0-9+/=\\n]+-----END CERTIFICATE-----\\n*$',
  maxLength: 8192,
});
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Name = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9./-]{0,199}$' });

/** What a host tells the others before they can begin. Nothing in it is secret. */
export const Bundle = object({
  federation: FederationId,
  host: Name,
  /** SHA-256 of the description it goes by. */
  description: Hash,
  vault: Type.Union([Type.Literal('embedded'), Type.Literal('kubo')]),
  /** Roots of everybody on the host: of identities and of TLS. */
  organisations: Type.Record(MspId, object({ root: Certificate, tlsRoot: Certificate })),
  /** Of its orderers of the main chain, by their names. */
  orderers: Type.Record(Name, object({ identity: Certificate, tls: Certificate })),
  /** Of its regions' relays, as the main chain registers them. */
  relays: Type.Record(RegionId, Certificate),
  /** Peer ids of its holders' Kubo nodes, by their names. */
  kubo: Type.Record(Name, Type.String({ pattern: '^[A-Za-z0-9]{40,70}$' })),
});
export type Bundle = Static<typeof Bundle>;

/** What all hosts agreed on: their bundles, and the first block of the main chain. */
export const Agreement = object({
  bundles: Type.Array(Bundle, { minItems: 1, maxItems: 32 }),
  /** Base64. */
  genesis: Type.String({ pattern: '^[A-Za-z0-9+/]+=*$', maxLength: 4 * 1024 * 1024 }),
});
export type Agreement = Static<typeof Agreement>;

const parseBundleValue = parser('bundle', Bundle);
const parseAgreementValue = parser('agreement', Agreement);

/** @throws DeployError BUNDLE_INVALID */
export function parseBundle(text: string): Bundle {
  return refusing('a bundle', () => parseBundleValue(JSON.parse(text)));
}

/** @throws DeployError BUNDLE_INVALID */
export function parseAgreement(text: string): Agreement {
  return refusing('the agreement', () => parseAgreementValue(JSON.parse(text)));
}

/** As operators compare it. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** To be asked before a federation is founded on it. @throws DeployError BUNDLE_INVALID for a certificate that is none or has expired */
export function requireCurrent({ host, organisations, orderers, relays }: Bundle, now = Date.now()): void {
  const certificates = [
    ...Object.entries(organisations).flatMap(([mspId, { root, tlsRoot }]) => [
      [`the root of ${mspId}`, root] as const,
      [`the TLS root of ${mspId}`, tlsRoot] as const,
    ]),
    ...Object.entries(orderers).flatMap(([name, { identity, tls }]) => [
      [`the certificate of ${name}`, identity] as const,
      [`the TLS certificate of ${name}`, tls] as const,
    ]),
    ...Object.entries(relays).map(([region, relay]) => [`the certificate of the relay of ${region}`, relay] as const),
  ];
  refusing(`the bundle of ${host}`, () => {
    for (const [what, pem] of certificates) {
      const { validToDate } = new X509Certificate(pem);
      if (validToDate.getTime() <= now) throw new Error(`${what} expired on ${validToDate.toISOString()}`);
    }
  });
}

/** @throws DeployError BUNDLE_INVALID unless the TLS roots of a host can vouch for these names of its alone */
export function requireConfined({ host, organisations }: Bundle, names: readonly string[]): void {
  refusing(`the bundle of ${host}`, () => {
    for (const [mspId, { tlsRoot }] of Object.entries(organisations))
      if (!isConfinedTo(names, tlsRoot)) throw new Error(`the TLS root of ${mspId} could vouch for other hosts`);
  });
}

function refusing<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new DeployError('BUNDLE_INVALID', `${what}: ${cause instanceof Error ? cause.message : 'malformed'}`, {
      cause,
    });
  }
}

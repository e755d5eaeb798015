import { type Static, Type } from '@yilian/schema';
import {
  Epoch,
  FederationId,
  Hash,
  MspId,
  Nonce,
  PointKey,
  Pseudonym,
  Purpose,
  RegionId,
  ScopeId,
  Time,
  Url,
} from './ids.ts';
import type { Outcome } from './outcomes.ts';
import { documentType, parseSigned } from './signed.ts';

/** Where an organisation's proxy answers and the key patients seal their key fragments to. Signed by the proxy's certificate. */
export const ProxyKey = documentType(
  'proxy-key',
  Type.Object(
    { federation: FederationId, region: RegionId, mspId: MspId, url: Url, key: PointKey, signedAt: Time },
    { additionalProperties: false },
  ),
);
export type ProxyKey = Static<typeof ProxyKey.schema>;

/** A patient's permission for one practitioner, in one home region. Signed by the patient's signing key. */
export const Grant = documentType(
  'grant',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      pseudonym: Pseudonym,
      /** Id of the grantee's {@link KeyCertificate}. */
      grantee: Hash,
      purposes: Type.Array(Purpose, { minItems: 1, maxItems: 16, uniqueItems: true }),
      scopes: Type.Array(Type.Object({ scope: ScopeId, epoch: Epoch }, { additionalProperties: false }), {
        minItems: 1,
        maxItems: 16,
      }),
      notBefore: Time,
      notAfter: Time,
      threshold: Type.Integer({ minimum: 1, maximum: 64 }),
      proxies: Type.Array(
        /** SHA-256 of the key fragments as sealed to this organisation's proxy. */
        Type.Object({ mspId: MspId, commitment: Hash }, { additionalProperties: false }),
        { minItems: 1, maxItems: 64 },
      ),
      signedAt: Time,
      nonce: Nonce,
    },
    { additionalProperties: false },
  ),
);
export type Grant = Static<typeof Grant.schema>;

/** Ends a grant. Signed by the patient's signing key; a proxy stops on this signature at once. */
export const Revocation = documentType(
  'revocation',
  Type.Object(
    { federation: FederationId, region: RegionId, pseudonym: Pseudonym, grantId: Hash, signedAt: Time },
    { additionalProperties: false },
  ),
);
export type Revocation = Static<typeof Revocation.schema>;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Whether a committed `Grants:revoke` with this argument ended a grant that the outcome's release rests on: then no proxy
 * carries the release out any more.
 * @throws DOCUMENT_MALFORMED SyntaxError
 */
export function overtakes(argument: Uint8Array | undefined, outcome: Outcome): boolean {
  const { document } = parseSigned(Revocation, JSON.parse(utf8.decode(argument)));
  return (
    document.federation === outcome.federation &&
    document.region === outcome.region &&
    document.pseudonym === outcome.pseudonym &&
    outcome.scopes.some((scope) => scope.permitted && scope.grantId === document.grantId)
  );
}

/** A proxy's word that the key fragments of a grant are gone. Signed by the proxy's certificate. */
export const DestructionReceipt = documentType(
  'destruction-receipt',
  Type.Object(
    { federation: FederationId, region: RegionId, grantId: Hash, mspId: MspId, commitment: Hash, destroyedAt: Time },
    { additionalProperties: false },
  ),
);
export type DestructionReceipt = Static<typeof DestructionReceipt.schema>;

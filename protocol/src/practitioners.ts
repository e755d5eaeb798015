import { type Static, Type } from '@yilian/schema';
import { FederationId, MspId, PointKey, RegionId, SuiteId, Time } from './ids.ts';
import { documentType } from './signed.ts';

/**
 * Binds a practitioner's re-encryption key to their X.509 certificate. Signed by the X.509 key and by the
 * re-encryption key itself, which proves possession. Its id is what grants and requests name.
 */
export const KeyCertificate = documentType(
  'key-certificate',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      mspId: MspId,
      /** SHA-256 of the X.509 certificate's DER, in hexadecimal. */
      certificate: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      suite: SuiteId,
      key: PointKey,
      notBefore: Time,
      notAfter: Time,
      signedAt: Time,
    },
    { additionalProperties: false },
  ),
);
export type KeyCertificate = Static<typeof KeyCertificate.schema>;

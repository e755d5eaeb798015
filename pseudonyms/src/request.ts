import { documentType, FederationId, Hash, Nonce, Pseudonym, RegionId, Time } from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';

/** A hospital asks for the pseudonym of a person it sees. Signed by the hospital's certificate; goes to the authority alone. */
export const PseudonymRequest = documentType(
  'pseudonym-request',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      /** The system of identity numbers: a URI. */
      system: Type.String({ pattern: '^[a-z]+:[A-Za-z0-9.:/_-]{1,120}$' }),
      nationalId: Type.String({ minLength: 1, maxLength: 64 }),
      /** SHA-256 of the evidence of identity that the hospital keeps. */
      evidence: Hash,
      signedAt: Time,
      nonce: Nonce,
    },
    { additionalProperties: false },
  ),
);
export type PseudonymRequest = Static<typeof PseudonymRequest.schema>;

export const PseudonymReply = Type.Object(
  { pseudonym: Pseudonym, keyEpoch: Type.Integer({ minimum: 1 }) },
  { additionalProperties: false },
);
export type PseudonymReply = Static<typeof PseudonymReply>;

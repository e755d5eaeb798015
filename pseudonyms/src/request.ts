import { documentType, FederationId, Hash, Nonce, RegionId, Time } from '@yilian/protocol';
import { type Static, Type } from 'typebox';
import { RESIDENT_ID } from './national-id.ts';

/** A hospital asks for the pseudonym of a person it sees. Signed by the hospital's certificate; goes to the authority alone. */
export const PseudonymRequest = documentType(
  'pseudonym-request',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      system: Type.Literal(RESIDENT_ID),
      nationalId: Type.String({ minLength: 18, maxLength: 32 }),
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
  { pseudonym: Hash, keyEpoch: Type.Integer({ minimum: 1 }) },
  { additionalProperties: false },
);
export type PseudonymReply = Static<typeof PseudonymReply>;

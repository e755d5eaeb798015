import { type Static, Type } from '@yilian/schema';
import { Hash, MspId, Pem, RegionId, TransactionId } from './ids.ts';
import { parser } from './outcomes.ts';

/** Largest committed envelope a proof may carry, in base64url characters (4 MiB of bytes). */
const MAX_ENVELOPE = 5_592_406;

export const Attestation = Type.Object(
  {
    statement: Type.Object(
      {
        network: RegionId,
        channel: Type.String({ maxLength: 64 }),
        transaction: TransactionId,
        block: Type.Integer({ minimum: 0 }),
        envelopeHash: Hash,
        validationCode: Type.Integer({ minimum: 0, maximum: 255 }),
        trustRootVersion: Type.Integer({ minimum: 1 }),
      },
      { additionalProperties: false },
    ),
    mspId: MspId,
    certificate: Pem,
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{80,104}$' }),
  },
  { additionalProperties: false },
);

/** Shape of a ledger outcome proof (ledger/SPEC.md); whether it holds is the verifier's business. */
export const OutcomeProof = Type.Object(
  {
    network: RegionId,
    envelope: Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: MAX_ENVELOPE }),
    attestations: Type.Array(Attestation, { minItems: 1, maxItems: 64 }),
  },
  { additionalProperties: false },
);
export type OutcomeProof = Static<typeof OutcomeProof>;
export const parseOutcomeProof = parser('outcome proof', OutcomeProof);

import { type Static, Type } from '@yilian/schema';
import {
  Cid,
  Epoch,
  FederationId,
  Hash,
  label,
  MspId,
  Pseudonym,
  RecordId,
  RegionId,
  ScopeId,
  SuiteId,
  Time,
} from './ids.ts';
import { documentType } from './signed.ts';

export const Coding = Type.Object(
  { system: label(128), code: Type.String({ pattern: '^[^\\s]{1,64}$' }) },
  { additionalProperties: false },
);
export type Coding = Static<typeof Coding>;

/** Largest sealed body, bytes: 1 TiB. */
export const MAX_BODY_BYTES = 1_099_511_627_776;
/** The key header, base64url: the content key sealed to the scope key (pre/SPEC.md §6). 184 bytes. */
const Header = Type.String({ pattern: '^[A-Za-z0-9_-]{100,1400}$' });

/** One sealed document as its custodian registers it. Signed by the custodian's certificate. */
export const RecordEntry = documentType(
  'record',
  Type.Object(
    {
      federation: FederationId,
      region: RegionId,
      recordId: RecordId,
      pseudonym: Pseudonym,
      scope: ScopeId,
      epoch: Epoch,
      codes: Type.Array(Coding, { minItems: 1, maxItems: 8 }),
      cid: Cid,
      /** Size of the sealed body in bytes. */
      sizeBytes: Type.Integer({ minimum: 1, maximum: MAX_BODY_BYTES }),
      suite: SuiteId,
      header: Header,
      /** Salted commitment to the plaintext's SHA-256. */
      commitment: Hash,
      custodian: MspId,
      signedAt: Time,
    },
    { additionalProperties: false },
  ),
);
export type RecordEntry = Static<typeof RecordEntry.schema>;

/** A record's key header under its scope's next key; the body stays. Signed by the custodian's certificate. */
export const RecordRewrap = documentType(
  'record-rewrap',
  Type.Object(
    { federation: FederationId, region: RegionId, recordId: RecordId, epoch: Epoch, header: Header, signedAt: Time },
    { additionalProperties: false },
  ),
);
export type RecordRewrap = Static<typeof RecordRewrap.schema>;

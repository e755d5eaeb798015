import { Compile, type Static, type TSchema, Type, type Validator } from '@yilian/schema';
import { ProtocolError } from './errors.ts';
import {
  Bookmark,
  Cid,
  Epoch,
  FederationId,
  Hash,
  MspId,
  PointKey,
  Pseudonym,
  Purpose,
  RecordId,
  RegionId,
  ScopeId,
  Time,
  TransactionId,
} from './ids.ts';
import { Coding, MAX_BODY_BYTES } from './records.ts';

/** Why a scope was not released; the first that applies, in this order. */
export const DenialReason = Type.Union([
  Type.Literal('CERTIFICATE_INVALID'),
  Type.Literal('REGION_FROZEN'),
  Type.Literal('DECLINED'),
  Type.Literal('NO_GRANT'),
  Type.Literal('REVOKED'),
  Type.Literal('SCOPE'),
  Type.Literal('PURPOSE'),
  Type.Literal('PERIOD'),
  Type.Literal('EPOCH'),
  Type.Literal('NOT_ACTIVE'),
]);
export type DenialReason = Static<typeof DenialReason>;

const PermittedScope = Type.Object(
  {
    scope: ScopeId,
    permitted: Type.Literal(true),
    grantId: Hash,
    epoch: Epoch,
    scopeKey: PointKey,
    threshold: Type.Integer({ minimum: 1, maximum: 64 }),
    proxies: Type.Array(MspId, { minItems: 1, maxItems: 64 }),
  },
  { additionalProperties: false },
);
const RefusedScope = Type.Object(
  { scope: ScopeId, permitted: Type.Literal(false), reason: DenialReason },
  { additionalProperties: false },
);
export const ScopeDecision = Type.Union([PermittedScope, RefusedScope]);
export type ScopeDecision = Static<typeof ScopeDecision>;

export const ReleasedRecord = Type.Object(
  {
    recordId: RecordId,
    scope: ScopeId,
    cid: Cid,
    sizeBytes: Type.Integer({ minimum: 1, maximum: MAX_BODY_BYTES }),
    headerHash: Hash,
    commitment: Hash,
    codes: Type.Array(Coding, { minItems: 1, maxItems: 8 }),
    custodian: MspId,
    registeredAt: Time,
  },
  { additionalProperties: false },
);
export type ReleasedRecord = Static<typeof ReleasedRecord>;

/** At most this many records in one transaction; the rest follow as pages. */
export const RECORDS_PER_PAGE = 200;
/** A release is usable for five minutes. */
export const RELEASE_TTL_MS = 300_000;

/**
 * What a home chain decided about one request: written once, by the home chain alone. `released` carries everything
 * a proxy and the requester need to check, so that the endorsed bytes are the release.
 */
export const Outcome = Type.Object(
  {
    federation: FederationId,
    /** The home region that decided. */
    region: RegionId,
    requestId: Hash,
    requestingRegion: RegionId,
    pseudonym: Pseudonym,
    purpose: Purpose,
    keyCertificate: Hash,
    outcome: Type.Union([
      Type.Literal('released'),
      Type.Literal('denied'),
      Type.Literal('absent'),
      Type.Literal('expired'),
    ]),
    decidedAt: Time,
    /** Whether this region's chain knows the patient at all: an `absent` from one that does not contradicts the index. */
    patientKnown: Type.Boolean(),
    scopes: Type.Array(ScopeDecision, { maxItems: 16 }),
    /** Present on every page but the first: its number, from 1, and the transaction of the page before. */
    page: Type.Optional(
      Type.Object(
        { number: Type.Integer({ minimum: 1, maximum: 1_000_000 }), previous: TransactionId },
        { additionalProperties: false },
      ),
    ),
    /** Present when something was released. */
    release: Type.Optional(
      Type.Object(
        {
          usableUntil: Time,
          patientKey: PointKey,
          receivingKey: PointKey,
          records: Type.Array(ReleasedRecord, { minItems: 1, maxItems: RECORDS_PER_PAGE }),
          /** Where the next page starts; absent on the last. */
          next: Type.Optional(Bookmark),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type Outcome = Static<typeof Outcome>;
export type Release = NonNullable<Outcome['release']>;

/** A parser of what must satisfy `schema`, compiled when first used. It throws DOCUMENT_MALFORMED. */
export function parser<S extends TSchema>(what: string, schema: S): (value: unknown) => Static<S> {
  let validator: Validator | undefined;
  return (value) => {
    validator ??= Compile(schema) as unknown as Validator;
    if (validator.Check(value)) return value as Static<S>;
    const [, [first]] = validator.Errors(value);
    throw new ProtocolError('DOCUMENT_MALFORMED', `${what}${first?.instancePath ?? ''} ${first?.message ?? ''}`);
  };
}

export const parseOutcome = parser('outcome', Outcome);

import { type Static, Type } from '@yilian/schema';
import { FederationId, label, MspId, Pem, RegionId, ScopeId, Time, Url } from './ids.ts';
import { parser } from './outcomes.ts';
import { documentType } from './signed.ts';

const Policy = label(4096);
const Version = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const Certificates = Type.Array(Pem, { maxItems: 8 });

export const Organisation = Type.Object(
  {
    mspId: MspId,
    roots: Type.Array(Pem, { minItems: 1, maxItems: 8 }),
    intermediates: Type.Optional(Certificates),
    crls: Type.Optional(Type.Array(Pem, { maxItems: 8 })),
  },
  { additionalProperties: false },
);

export type Organisation = Static<typeof Organisation>;

/** One version of a network's trust roots and policies: what its proofs are checked against. */
export const Trust = Type.Object(
  {
    network: RegionId,
    channel: Type.String({ pattern: '^[a-z][a-z0-9.-]{1,63}$' }),
    chaincode: Type.String({ pattern: '^[A-Za-z0-9_-]{1,63}$' }),
    version: Version,
    endorsement: Policy,
    attestation: Policy,
    /** Attributes every attester's certificate must carry. */
    attesters: Type.Optional(Type.Record(label(64), label(256), { maxProperties: 8, additionalProperties: false })),
    organisations: Type.Array(Organisation, { minItems: 1, maxItems: 32 }),
    validFrom: Time,
    validUntil: Type.Optional(Time),
  },
  { additionalProperties: false },
);
export type Trust = Static<typeof Trust>;
export const parseTrust = parser('trust', Trust);

/** A region as the main chain registers it. `version` rises with every change, whatever changed. */
export const RegionEntry = Type.Object(
  {
    federation: FederationId,
    region: RegionId,
    name: label(120),
    version: Version,
    /** The current trust roots first, then older versions still accepted. */
    trusts: Type.Array(Trust, { minItems: 1, maxItems: 4 }),
    relays: Type.Array(Type.Object({ url: Url, certificate: Pem }, { additionalProperties: false }), {
      minItems: 1,
      maxItems: 8,
    }),
    /** Trustless gateways that hold the region's sealed bodies. */
    holders: Type.Array(Url, { minItems: 1, maxItems: 16 }),
    frozen: Type.Boolean(),
  },
  { additionalProperties: false },
);
export type RegionEntry = Static<typeof RegionEntry>;
export const parseRegionEntry = parser('region', RegionEntry);

/** The class of records a scope key covers, as the main chain registers it. */
export const ScopeEntry = Type.Object(
  {
    scope: ScopeId,
    title: label(120),
    titleZh: label(120),
  },
  { additionalProperties: false },
);
export type ScopeEntry = Static<typeof ScopeEntry>;

/** The scopes of the whole federation. `version` rises with every change. */
export const ScopeList = Type.Object(
  { version: Version, scopes: Type.Array(ScopeEntry, { minItems: 1, maxItems: 256 }) },
  { additionalProperties: false },
);
export type ScopeList = Static<typeof ScopeList>;
export const parseScopeList = parser('scopes', ScopeList);

/**
 * The main chain's height as its authorities see it, with the version of every region's entry: proof that a
 * mirror is fresh although nothing changed. Signed by attesters that satisfy the main chain's attestation policy.
 */
export const MainHeight = documentType(
  'main-height',
  Type.Object(
    {
      federation: FederationId,
      height: Version,
      regions: Type.Array(Type.Object({ region: RegionId, version: Version }, { additionalProperties: false }), {
        maxItems: 256,
      }),
      at: Time,
    },
    { additionalProperties: false },
  ),
);
export type MainHeight = Static<typeof MainHeight.schema>;

/** What everybody pins: the federation's name and the main chain's first trust roots. */
export const Genesis = Type.Object({ federation: FederationId, main: Trust }, { additionalProperties: false });
export type Genesis = Static<typeof Genesis>;
export const parseGenesis = parser('genesis', Genesis);

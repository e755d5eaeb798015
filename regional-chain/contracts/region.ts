import { type Context, getJson, refuse, submitter, transactionTime } from '@yilian/ledger/contract';
import type { Identity, Outcome as Proven } from '@yilian/ledger/verify';
import {
  type DocumentType,
  Hash,
  identify,
  type OutcomeProof,
  Pseudonym,
  parseCanonical,
  parseOutcomeProof,
  parseSigned,
  RecordId,
  type RegionEntry,
  RegionId,
  ROLE_ATTRIBUTE,
  type Role,
  requireCertificateSignatures,
  type ScopeList,
  type Signed,
  TransactionId,
  type Trust,
} from '@yilian/protocol';
import type { Static, TSchema } from '@yilian/schema';
import { Compile } from '@yilian/schema';

/** What a regional chain is founded on. `main` grows a version when the authorities rotate their trust roots. */
export interface Foundation {
  readonly federation: string;
  readonly region: string;
  readonly main: readonly Trust[];
}

/** A main-chain fact copied here with proof. */
export interface Mirror {
  readonly entry: RegionEntry;
  /** Main-chain block and time (epoch milliseconds) of the change. */
  readonly mainHeight: number;
  readonly mainTime: number;
}

/** The main chain's list of scopes copied here; version 0 while there is none. */
export interface ScopeMirror {
  readonly version: number;
  readonly scopes: ScopeList['scopes'];
  readonly mainHeight: number;
  readonly mainTime: number;
}

/** Longest a signed document may have been under way before it is registered. */
const DOCUMENT_TTL_MS = 3_600_000;
const SKEW_MS = 60_000;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const IDS = {
  hash: Compile(Hash),
  pseudonym: Compile(Pseudonym),
  'record id': Compile(RecordId),
  region: Compile(RegionId),
  'transaction id': Compile(TransactionId),
} as const;

export const foundationKey = 'foundation';
export const scopesKey = 'scopes';

export function mirrorKey(ctx: Context, region: string): string {
  return ctx.stub.createCompositeKey('foreign', [region]);
}

export async function foundation(ctx: Context): Promise<Foundation> {
  return (await getJson<Foundation>(ctx, foundationKey)) ?? refuse('NOT_FOUNDED', 'this chain has no foundation yet');
}

export async function mirrorOf(ctx: Context, region: string): Promise<Mirror> {
  return (
    (await getJson<Mirror>(ctx, mirrorKey(ctx, region))) ?? refuse('REGION_UNKNOWN', `region ${region} is not mirrored`)
  );
}

/** The submitting organisation, provided that its certificate carries one of these roles. */
export function requireRole(ctx: Context, ...roles: readonly Role[]): string {
  const { mspId, attributes } = submitter(ctx);
  const role = attributes[ROLE_ATTRIBUTE];
  if (!roles.some((allowed) => allowed === role))
    refuse('ROLE_REQUIRED', `needs ${roles.join(' or ')}, not ${role ?? 'none'}`);
  return mspId;
}

/** Transaction time in epoch milliseconds, refused when it is not the endorser's time. */
export function now(ctx: Context): number {
  return transactionTime(ctx);
}

/** Most characters an argument may have, by what it holds. */
export const LIMITS = {
  list: 8_192,
  document: 65_536,
  mainHeight: 262_144,
  genesis: 524_288,
  receipts: 2_097_152,
  proof: 6_291_456,
  proofs: 8_388_608,
} as const;

/** @throws ARGUMENT_TOO_LARGE ARGUMENT_MALFORMED */
export function parseArgument(json: string, limit: keyof typeof LIMITS): unknown {
  return parseCanonical(json, LIMITS[limit]);
}

/** An argument that is no JSON. @throws ARGUMENT_TOO_LARGE */
export function textArgument(text: string, limit: keyof typeof LIMITS): string {
  return text.length <= LIMITS[limit] ? text : refuse('ARGUMENT_TOO_LARGE', `more than ${LIMITS[limit]} characters`);
}

export function proofArgument(json: string): OutcomeProof {
  return parseOutcomeProof(parseArgument(json, 'proof'));
}

/** The JSON a proven transaction returned. */
export function payloadOf({ payload }: Pick<Proven, 'payload'>): unknown {
  try {
    return JSON.parse(utf8.decode(payload));
  } catch {
    return refuse('PROOF_MISMATCH', 'the transaction returned no JSON');
  }
}

/** An argument that is one identifier. @throws ARGUMENT_MALFORMED */
export function idArgument(kind: keyof typeof IDS, value: string): string {
  return IDS[kind].Check(value) ? value : refuse('ARGUMENT_MALFORMED', `not a ${kind}`);
}

/** Parses a signed document that must be of this federation and, where it says so, of this region. */
export function documentArgument<S extends TSchema>(
  kind: DocumentType<S>,
  json: string,
  { federation, region }: { readonly federation: string; readonly region?: string },
  limit: keyof typeof LIMITS = 'document',
): Signed<Static<S>> {
  return ofRegion(kind, parseSigned(kind, parseArgument(json, limit)), { federation, region });
}

/** Checks where a signed document belongs. @throws FEDERATION_MISMATCH REGION_MISMATCH */
export function ofRegion<S extends TSchema>(
  kind: DocumentType<S>,
  signed: Signed<Static<S>>,
  { federation, region }: { readonly federation: string; readonly region?: string | undefined },
): Signed<Static<S>> {
  const document = signed.document as { readonly federation?: string; readonly region?: string };
  if (document.federation !== federation) refuse('FEDERATION_MISMATCH', `${kind.type} is of another federation`);
  if (region !== undefined && document.region !== region)
    refuse('REGION_MISMATCH', `${kind.type} is for another region`);
  return signed;
}

/** A document must be recent: neither from the future nor kept back. */
export function requireRecent(signedAt: number, at: number): void {
  if (signedAt > at + SKEW_MS) refuse('DOCUMENT_FROM_FUTURE', 'the document is signed in the future');
  if (signedAt < at - DOCUMENT_TTL_MS) refuse('DOCUMENT_TOO_OLD', 'the document was signed too long ago');
}

/** Looks certificates of one organisation up in a region's mirrored trust roots. */
export function identifier(mirror: Mirror, mspId: string, at: number): (certificate: string) => Identity {
  return (certificate) => identify(mirror.entry.trusts, mspId, certificate, at);
}

/** Who signed: exactly one certificate of this organisation, with this role. */
export function requireSigner(
  signed: Signed<unknown>,
  { mirror, mspId, role }: { readonly mirror: Mirror; readonly mspId: string; readonly role: Role },
  at: number,
): Identity {
  const [identity, ...others] = requireCertificateSignatures(signed, identifier(mirror, mspId, at));
  if (others.length > 0) refuse('SIGNATURES_TOO_MANY', `${signed.type} has one certificate signature`);
  if (identity.attributes[ROLE_ATTRIBUTE] !== role) refuse('ROLE_REQUIRED', `the signer is no ${role}`);
  return identity;
}

import { type Context, getJson, putJson, refuse, submitter } from '@yilian/ledger/contract';
import {
  type Genesis,
  parseCanonical,
  type RegionEntry,
  ROLE_ATTRIBUTE,
  type ScopeEntry,
  type Trust,
} from '@yilian/protocol';

/** The `yilian.role` attribute of a submitter's certificate. */
export type Role = 'admin' | 'relay';
/** Longest a signed document may have been under way before it is registered. */
const DOCUMENT_TTL_MS = 3_600_000;
const SKEW_MS = 60_000;

/** What the main chain is founded on: the federation and the authorities' trust roots, newest first. */
export interface Foundation {
  readonly federation: Genesis['federation'];
  readonly main: readonly Trust[];
  /** The transaction that put the newest trust roots there, once they changed. */
  readonly changedIn?: string;
  /** Every rotation of the trust roots, oldest first: whoever pins the genesis follows them. */
  readonly rotations?: readonly { readonly version: number; readonly transactionId: string }[];
}

export const foundationKey = 'foundation';

export async function foundation(ctx: Context): Promise<Foundation> {
  return (await getJson<Foundation>(ctx, foundationKey)) ?? refuse('NOT_FOUNDED', 'this chain has no foundation yet');
}

/** The submitting authority, provided that its certificate carries this role. */
export function requireRole(ctx: Context, ...roles: readonly Role[]): string {
  const { mspId, attributes } = submitter(ctx);
  const role = attributes[ROLE_ATTRIBUTE];
  if (!roles.some((allowed) => allowed === role))
    refuse('ROLE_REQUIRED', `needs ${roles.join(' or ')}, not ${role ?? 'none'}`);
  return mspId;
}

export function regionKey(ctx: Context, region: string): string {
  return ctx.stub.createCompositeKey('region', [region]);
}

/** The list of scopes and the transaction that put it there; version 0 and no transaction while there is none. */
export interface ScopeState {
  readonly version: number;
  readonly scopes: readonly ScopeEntry[];
  readonly transactionId: string;
}

/** A region's entry and the transaction that put it there, whose proof regional chains mirror. */
export interface RegionState {
  readonly entry: RegionEntry;
  readonly transactionId: string;
}

/** Writes a region's entry. Returns the payload that a mirror reads: `{ applied, kind, entry }`. */
export async function putRegion(ctx: Context, entry: RegionEntry): Promise<string> {
  await putJson(ctx, regionKey(ctx, entry.region), { entry, transactionId: ctx.stub.getTxID() } satisfies RegionState);
  ctx.stub.setEvent(
    'registry',
    new TextEncoder().encode(JSON.stringify({ region: entry.region, version: entry.version })),
  );
  return JSON.stringify({ applied: true, kind: 'region', entry });
}

/** A region in good standing. @throws REGION_UNKNOWN REGION_FROZEN */
export async function regionOf(ctx: Context, region: string): Promise<RegionEntry> {
  const entry = (await getJson<RegionState>(ctx, regionKey(ctx, region)))?.entry;
  if (entry === undefined) return refuse('REGION_UNKNOWN', `no region ${region}`);
  if (entry.frozen) refuse('REGION_FROZEN', `region ${region} is frozen`);
  return entry;
}

/** Most characters an argument may have, by what it holds. */
const LIMITS = { hashes: 8_192, document: 65_536, checkpoint: 262_144, registry: 1_048_576, proof: 6_291_456 } as const;

/** @throws ARGUMENT_TOO_LARGE ARGUMENT_MALFORMED */
export function parseArgument(json: string, limit: keyof typeof LIMITS): unknown {
  return parseCanonical(json, LIMITS[limit]);
}

/** A document must be recent: neither from the future nor kept back. */
export function requireRecent(signedAt: number, at: number): void {
  if (signedAt > at + SKEW_MS) refuse('DOCUMENT_FROM_FUTURE', 'the document is signed in the future');
  if (signedAt < at - DOCUMENT_TTL_MS) refuse('DOCUMENT_TOO_OLD', 'the document was signed too long ago');
}

import { type Context, getJson, putJson, refuse, submitter } from '@yilian/ledger/contract';
import type { Genesis, RegionEntry, Trust } from '@yilian/protocol';

/** The `yilian.role` attribute of a submitter's certificate. */
export type Role = 'admin' | 'relay';
const ROLE_ATTRIBUTE = 'yilian.role';

/** What the main chain is founded on: the federation and the authorities' trust roots, newest first. */
export interface Foundation {
  readonly federation: Genesis['federation'];
  readonly main: readonly Trust[];
  /** The transaction that put the newest trust roots there, once they changed. */
  readonly changedIn?: string;
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

export function parseArgument(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return refuse('ARGUMENT_MALFORMED', 'not JSON');
  }
}

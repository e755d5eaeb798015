import { type Context, getJson, refuse, submitter, transactionTime } from '@yilian/ledger/contract';
import type { Identity } from '@yilian/ledger/verify';
import {
  type DocumentType,
  type Genesis,
  identify,
  ProtocolError,
  parseSigned,
  type RegionEntry,
  type Signed,
  type Trust,
} from '@yilian/protocol';
import type { Static, TSchema } from 'typebox';

/** Who may submit what: the `yilian.role` attribute of the submitter's certificate. */
export type Role = 'admin' | 'hospital' | 'relay' | 'proxy' | 'practitioner';
export const ROLE_ATTRIBUTE = 'yilian.role';

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

/** Longest a signed document may have been under way before it is registered. */
const DOCUMENT_TTL_MS = 3_600_000;
const SKEW_MS = 60_000;

export const foundationKey = 'foundation';

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

export function parseArgument(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return refuse('ARGUMENT_MALFORMED', 'not JSON');
  }
}

/** Parses a signed document that must be of this federation and, where it says so, of this region. */
export function documentArgument<S extends TSchema>(
  kind: DocumentType<S>,
  json: string,
  { federation, region }: Pick<Genesis, 'federation'> & { readonly region?: string },
): Signed<Static<S>> {
  const signed = parseSigned(kind, parseArgument(json));
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

/** Whether an error is about the signer's certificate (revoked, expired, foreign) rather than about the bytes. */
export function isCertificateFault(error: unknown): boolean {
  return error instanceof ProtocolError && error.code === 'SIGNER_UNTRUSTED';
}

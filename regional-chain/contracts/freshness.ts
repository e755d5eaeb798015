import { refuse } from '@yilian/ledger/contract';
import { parsePolicy, satisfies } from '@yilian/ledger/verify';
import { identifyAny, MainHeight, requireCertificateSignatures, type SignedBy, trustsAt } from '@yilian/protocol';
import { documentArgument, type Foundation, type Mirror } from './region.ts';

/** A mirror older than this is no base for a decision. */
const MIRROR_TTL_MS = 60_000;

/**
 * Checks that what this chain knows of a region is fresh: its mirror is young, or the authorities attest a young
 * main-chain height at which the region's entry is still the mirrored one.
 * @throws ROOTS_STALE
 */
export function requireFreshMirror(
  home: Foundation,
  mirror: Mirror,
  minMainHeight: number,
  mainHeightJson: string,
  at: number,
): void {
  const attested = mainHeightJson === '' ? undefined : checkMainHeight(home, mainHeightJson, at);
  const version = attested?.regions.find(({ region }) => region === mirror.entry.region)?.version;
  if (attested !== undefined && version !== mirror.entry.version)
    refuse('ROOTS_STALE', 'the region changed since it was mirrored');
  const time = Math.max(mirror.mainTime, attested?.at ?? 0);
  const height = Math.max(mirror.mainHeight, attested?.height ?? 0);
  if (at - time > MIRROR_TTL_MS) refuse('ROOTS_STALE', 'the mirror of the requesting region is too old');
  if (height < minMainHeight) refuse('ROOTS_STALE', 'the request asks for a newer view of the main chain');
}

function checkMainHeight(home: Foundation, json: string, at: number): MainHeight {
  const signed: SignedBy<typeof MainHeight> = documentArgument(MainHeight, json, home);
  if (signed.document.at > at + MIRROR_TTL_MS) refuse('DOCUMENT_FROM_FUTURE', 'the main height is from the future');
  const [trust] = trustsAt(home.main, at);
  if (trust === undefined) return refuse('ROOTS_STALE', 'no main-chain trust roots are in force');
  const identities = requireCertificateSignatures(signed, (certificate) => identifyAny(home.main, certificate, at));
  if (!satisfies(parsePolicy(trust.attestation), identities))
    refuse('ATTESTATION_POLICY', 'too few authorities signed the main height');
  return signed.document;
}

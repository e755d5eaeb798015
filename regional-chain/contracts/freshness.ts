import { refuse } from '@yilian/ledger/contract';
import { MainHeight, requireAttested } from '@yilian/protocol';
import { documentArgument, type Foundation, type Mirror } from './region.ts';

/** A mirror older than this is no base for a decision. */
export const MIRROR_TTL_MS = 60_000;

/**
 * Checks that what this chain knows of a region is fresh: its mirror is young, or the authorities attest a young
 * main-chain height at which the region's entry is still the mirrored one.
 * @throws ROOTS_STALE DOCUMENT_FROM_FUTURE ATTESTATION_POLICY
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
  const signed = documentArgument(MainHeight, json, { federation: home.federation }, 'mainHeight');
  if (signed.document.at > at + MIRROR_TTL_MS) refuse('DOCUMENT_FROM_FUTURE', 'the main height is from the future');
  requireAttested(signed, home.main, at);
  return signed.document;
}

import { type Expectation, type NetworkTrust, type Outcome as Proven, verifyOutcome } from '@yilian/ledger/verify';
import {
  type OutcomeProof,
  parseRegionEntry,
  parser,
  type RegionEntry,
  requireSoundTrust,
  rotateTrust,
  Time,
  Trust,
} from '@yilian/protocol';
import { Type } from '@yilian/schema';
import { ClientError, codeOf } from './client-error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });
const OUT_OF_TIME = new Set(['CERTIFICATE_EXPIRED', 'TRUST_VERSION_EXPIRED']);

/**
 * Checks a proof at the first of these times (epoch milliseconds, or `own` for the transaction's timestamp) at which
 * its certificates are in force: an old fact may be attested anew by younger certificates.
 * @throws the ledger's VerifyError
 */
export function prove(
  proof: OutcomeProof,
  trusts: readonly NetworkTrust[],
  expect: Expectation,
  times: readonly (number | 'own')[],
): Proven {
  let failure: unknown;
  for (const time of times) {
    try {
      return verifyOutcome(proof, trusts, expect, time === 'own' ? undefined : time);
    } catch (error) {
      if (!OUT_OF_TIME.has(codeOf(error) ?? '')) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** What the contract returned, as JSON. */
export function payloadOf(proven: Proven): unknown {
  return JSON.parse(utf8.decode(proven.payload));
}

export function textOf(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

const parseRotation = parser(
  'rotation',
  Type.Object({ applied: Type.Literal(true), kind: Type.Literal('main'), entry: Trust, overlapUntil: Time }),
);

/**
 * The main chain's trust roots, newest first, after these changes, each proven by the roots before it.
 * @throws ROTATION_INVALID, or the ledger's VerifyError
 */
export function proveRotations(
  proofs: readonly OutcomeProof[],
  genesis: Trust,
  times: readonly (number | 'own')[],
): readonly Trust[] {
  let trusts: readonly Trust[] = [genesis];
  for (const proof of proofs) {
    const proven = prove(proof, trusts, { function: 'Registry:approve' }, times);
    const { entry, overlapUntil } = parseRotation(payloadOf(proven));
    if (entry.network !== genesis.network || entry.version !== (trusts[0]?.version ?? 0) + 1)
      throw new ClientError('ROTATION_INVALID', 'the trust roots do not follow those before');
    requireSoundTrust(entry);
    trusts = rotateTrust(trusts, entry, overlapUntil);
  }
  return trusts;
}

/** The main-chain transactions that put a region's entry where it is. */
const REGISTRY_CHANGES = new Set(['Registry:approve', 'Checkpoints:anchor']);

/**
 * A region's entry, from the proof of the registry change alone.
 * @throws REGION_ENTRY_INVALID, or the ledger's VerifyError
 */
export function proveRegion(
  proof: OutcomeProof,
  main: readonly NetworkTrust[],
  federation: string,
  times: readonly (number | 'own')[],
): RegionEntry {
  const proven = prove(proof, main, {}, times);
  const change = payloadOf(proven) as { applied?: unknown; kind?: unknown; entry?: unknown } | null;
  if (!REGISTRY_CHANGES.has(proven.function) || change?.applied !== true || change.kind !== 'region')
    throw new ClientError('REGION_ENTRY_INVALID', 'the transaction changed no region');
  const entry = parseRegionEntry(change.entry);
  if (entry.federation !== federation)
    throw new ClientError('REGION_ENTRY_INVALID', 'the region is of another federation');
  if (entry.trusts.some(({ network }) => network !== entry.region))
    throw new ClientError('REGION_ENTRY_INVALID', 'the trust roots are another network’s');
  return entry;
}

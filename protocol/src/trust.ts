import { createMsp, type Identity, type Msp } from '@yilian/ledger/verify';
import { ProtocolError } from './errors.ts';
import type { Organisation, Trust } from './regions.ts';

const MAX_CACHED = 256;
const cache = new Map<string, Msp>();

function mspOf(organisation: Organisation): Msp {
  const key = JSON.stringify(organisation);
  const msp = cache.get(key) ?? createMsp(organisation);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, msp);
  return msp;
}

/** The trust versions in force at `at` (epoch milliseconds), newest first. */
export function trustsAt(trusts: readonly Trust[], at: number): readonly Trust[] {
  return trusts.filter((trust) => trust.validFrom <= at && at <= (trust.validUntil ?? Number.POSITIVE_INFINITY));
}

/**
 * Validates a certificate of organisation `mspId` against a network's trust roots at `at`. Any version in force will
 * do, so that a rotation has an overlap; a revocation in the newest version that names the organisation is final.
 * @throws SIGNER_UNTRUSTED, or the ledger's CERTIFICATE_* errors
 */
export function identify(trusts: readonly Trust[], mspId: string, certificate: string, at: number): Identity {
  let failure: unknown;
  for (const trust of trustsAt(trusts, at)) {
    const organisation = trust.organisations.find((candidate) => candidate.mspId === mspId);
    if (organisation === undefined) continue;
    try {
      return mspOf(organisation).identify(certificate, at);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'CERTIFICATE_REVOKED') throw error;
      failure ??= error;
    }
  }
  if (failure instanceof Error) throw failure;
  throw new ProtocolError('SIGNER_UNTRUSTED', `${mspId} is not an organisation of this network`);
}

/**
 * Validates a certificate of any organisation of the network.
 * @throws SIGNER_UNTRUSTED
 */
export function identifyAny(trusts: readonly Trust[], certificate: string, at: number): Identity {
  const mspIds = new Set(trusts.flatMap(({ organisations }) => organisations.map(({ mspId }) => mspId)));
  let failure: unknown;
  for (const mspId of mspIds) {
    try {
      return identify(trusts, mspId, certificate, at);
    } catch (error) {
      failure = error;
    }
  }
  throw new ProtocolError('SIGNER_UNTRUSTED', 'no organisation of this network vouches for the certificate', {
    cause: failure,
  });
}

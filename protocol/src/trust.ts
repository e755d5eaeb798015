import { createMsp, type Identity, type Msp, parsePolicy, principalsOf, satisfies } from '@yilian/ledger/verify';
import { ProtocolError } from './errors.ts';
import type { Organisation, Trust } from './regions.ts';
import { requireCertificateSignatures, type Signed } from './signed.ts';

const MAX_CACHED = 256;
const cache = new Map<string, Msp>();

/** @param crls revocation lists of later versions */
function mspOf(organisation: Organisation, crls: readonly string[] = []): Msp {
  const key = JSON.stringify([organisation, crls]);
  const msp = cache.get(key) ?? createMsp(organisation, { crls });
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, msp);
  return msp;
}

/** The trust versions in force at `at` (epoch milliseconds), newest first. */
export function trustsAt(trusts: readonly Trust[], at: number): readonly Trust[] {
  return trusts
    .filter((trust) => trust.validFrom <= at && at <= (trust.validUntil ?? Number.POSITIVE_INFINITY))
    .toSorted((a, b) => b.version - a.version);
}

/**
 * Validates a certificate of organisation `mspId` against a network's trust roots at `at`. Any version in force will
 * do, so that a rotation has an overlap; a revocation in the newest version that names the organisation is final, that
 * of an intermediate for everything below it, although the newest version no longer lists the intermediate.
 * @throws SIGNER_UNTRUSTED, or the ledger's CERTIFICATE_* errors
 */
export function identify(trusts: readonly Trust[], mspId: string, certificate: string, at: number): Identity {
  let failure: unknown;
  const later: string[] = [];
  for (const trust of trustsAt(trusts, at)) {
    const organisation = trust.organisations.find((candidate) => candidate.mspId === mspId);
    if (organisation === undefined) continue;
    try {
      const msp = mspOf(organisation, later);
      later.push(...(organisation.crls ?? []));
      return msp.identify(certificate, at);
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

/**
 * Checks that attesters of enough organisations signed a document: those whose certificates hold at `at` and carry the
 * attesters' attributes satisfy the attestation policy of a version in force. A key counts once.
 * @throws ATTESTATION_POLICY SIGNATURE_MISSING SIGNATURE_INVALID SIGNER_UNTRUSTED
 */
export function requireAttested(signed: Signed<unknown>, trusts: readonly Trust[], at: number): void {
  const signers = requireCertificateSignatures(signed, (certificate) => identifyAny(trusts, certificate, at));
  const distinct = [
    ...new Map(signers.map((signer) => [`${signer.mspId} ${signer.publicKey.join()}`, signer])).values(),
  ];
  const attested = trustsAt(trusts, at).some(({ attestation, attesters = {} }) => {
    const required = Object.entries(attesters);
    const entitled = distinct.filter(({ attributes }) => required.every(([name, value]) => attributes[name] === value));
    return satisfies(parsePolicy(attestation), entitled);
  });
  if (!attested) throw new ProtocolError('ATTESTATION_POLICY', `too few organisations signed the ${signed.type}`);
}

const MAX_TRUST_VERSIONS = 4;

/**
 * The versions after a rotation, newest first: the older ones end at `overlapUntil` (epoch milliseconds) at the latest,
 * so that roots that are given up do not stay in force.
 */
export function rotateTrust(current: readonly Trust[], next: Trust, overlapUntil: number): Trust[] {
  const ended = current.map((trust) => ({
    ...trust,
    validUntil: Math.min(trust.validUntil ?? overlapUntil, overlapUntil),
  }));
  return [next, ...ended].slice(0, MAX_TRUST_VERSIONS);
}

/**
 * Checks that a version of trust roots can be used at all: policies that parse and name its organisations only, each
 * organisation once and with roots that hold together.
 * @throws TRUST_INVALID, or the ledger's POLICY_INVALID and TRUST_INVALID
 */
export function requireSoundTrust(trust: Trust): void {
  const { organisations, endorsement, attestation, validFrom, validUntil } = trust;
  const mspIds = new Set(organisations.map(({ mspId }) => mspId));
  const invalid = (why: string) => new ProtocolError('TRUST_INVALID', `${trust.network} ${trust.version}: ${why}`);
  if (mspIds.size !== organisations.length) throw invalid('an organisation is named twice');
  if (validUntil !== undefined && validUntil < validFrom) throw invalid('it ends before it begins');
  for (const policy of [endorsement, attestation]) {
    const stranger = principalsOf(parsePolicy(policy)).find(({ mspId }) => !mspIds.has(mspId));
    if (stranger !== undefined) throw invalid(`a policy names ${stranger.mspId}`);
  }
  for (const organisation of organisations) mspOf(organisation);
}

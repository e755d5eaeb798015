import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Certificate, readCertificate, readRevocationList, type Signed } from './certificate.ts';
import { decodeUtf8, equalBytes } from './encoding.ts';
import { VerifyError } from './errors.ts';
import type { Principal, Role } from './policy.ts';
import { isLowS } from './signature.ts';

/**
 * The trust roots of one organisation. Intermediates and revocation lists must chain to its roots. An authority that has
 * one of the intermediates below it issues no identities any more, as Fabric has it.
 */
export interface Organisation {
  readonly mspId: string;
  /** PEM, self-signed; trusted because they are listed here. */
  readonly roots: readonly string[];
  readonly intermediates?: readonly string[];
  /** PEM. A listed certificate is revoked, whatever the date of the entry, as Fabric has it. */
  readonly crls?: readonly string[];
}

/** A signer whose certificate chains to its organisation's roots, was valid at the asked time and is not revoked. */
export interface Identity extends Principal {
  readonly mspId: string;
  /** `member` and the one role its organisational unit names. */
  readonly roles: ReadonlySet<Role>;
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of the DER bytes, hex. */
  readonly fingerprint: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly subject: string;
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whether `signature` (strict DER, low S) is this identity's over SHA-256 of `message`. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** Judges the certificates of one organisation. */
export interface Msp {
  readonly mspId: string;
  /**
   * @param credential the certificate in PEM, or a serialized `msp.SerializedIdentity`
   * @param at epoch milliseconds at which the whole chain must be valid
   * @throws VerifyError CERTIFICATE_INVALID, CERTIFICATE_UNTRUSTED, CERTIFICATE_EXPIRED, CERTIFICATE_REVOKED
   */
  identify(credential: string | Uint8Array, at: number): Identity;
}

/** Fabric's NodeOUs: an identity carries exactly one of them. */
const NODE_UNITS: readonly Role[] = ['client', 'peer', 'admin', 'orderer'];
const MAX_CHAIN = 5;
const SECOND_MS = 1000;
const MAX_CACHED = 4096;

interface Judged {
  readonly identity: Identity;
  readonly chain: readonly Certificate[];
}

/**
 * Checks an organisation's roots, intermediates and revocation lists, and judges certificates against them.
 * @param later what is known of it beside: revocation lists by its authorities hold here too, the others say nothing
 * @throws VerifyError TRUST_INVALID
 */
export function createMsp(organisation: Organisation, later: Pick<Organisation, 'crls'> = {}): Msp {
  const { mspId } = organisation;
  const { authorities, revoked } = loadTrust(organisation, later.crls);
  const judged = new Map<string, Judged>();

  const judge = (pem: string): Judged => {
    const certificate = readCertificate(pem);
    if (certificate.authority) throw new VerifyError('CERTIFICATE_INVALID', 'An authority is no signer');
    if (!certificate.usage.digitalSignature) throw new VerifyError('CERTIFICATE_INVALID', 'Its key may not sign');
    const chain = chainOf(certificate, authorities);
    if (isRevoked(chain, revoked)) {
      throw new VerifyError('CERTIFICATE_REVOKED', `Certificate of ${mspId} is revoked`);
    }
    return { identity: identityOf(mspId, certificate), chain };
  };

  return {
    mspId,
    identify(credential, at) {
      const pem = typeof credential === 'string' ? credential : certificateOf(credential, mspId);
      let found = judged.get(pem);
      if (!found) {
        found = judge(pem);
        if (judged.size >= MAX_CACHED) judged.clear();
        judged.set(pem, found);
      }
      if (!isValid(found.chain, at)) {
        throw new VerifyError('CERTIFICATE_EXPIRED', `Certificate of ${mspId} is not valid at this time`);
      }
      return found.identity;
    },
  };
}

/**
 * What a certificate says of its holder, taken on trust: for contracts, whose peer has judged the creator already.
 * @throws VerifyError CERTIFICATE_INVALID
 */
export function identityOf(mspId: string, certificate: Certificate): Identity {
  const units = NODE_UNITS.filter((unit) => certificate.organisationalUnits.includes(unit));
  if (units.length !== 1) throw new VerifyError('CERTIFICATE_INVALID', 'Certificate names not exactly one role');
  return {
    mspId,
    roles: new Set<Role>(['member', ...units]),
    certificate: certificate.pem,
    fingerprint: certificate.fingerprint,
    attributes: certificate.attributes,
    publicKey: certificate.publicKey,
    subject: certificate.subject,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    verify: (message, signature) => isLowS(signature) && certificate.verify(message, signature),
  };
}

/**
 * Takes a `msp.SerializedIdentity` apart: `mspid` = 1, `id_bytes` = 2, each exactly once.
 * @throws VerifyError CERTIFICATE_INVALID
 */
export function readSerializedIdentity(bytes: Uint8Array): { readonly mspId: string; readonly certificate: string } {
  try {
    const reader = new BinaryReader(bytes);
    const fields: string[] = [];
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (wire !== 2 || field !== fields.length + 1 || field > 2) throw new Error('unexpected field');
      fields.push(decodeUtf8(reader.bytes()));
    }
    const [mspId, certificate] = fields;
    if (!mspId || !certificate) throw new Error('missing field');
    return { mspId, certificate };
  } catch (cause) {
    throw new VerifyError('CERTIFICATE_INVALID', 'Not a serialized identity', { cause });
  }
}

function certificateOf(serialized: Uint8Array, mspId: string): string {
  const identity = readSerializedIdentity(serialized);
  if (identity.mspId !== mspId) throw new VerifyError('CERTIFICATE_UNTRUSTED', `Identity is not one of ${mspId}`);
  return identity.certificate;
}

interface Authorities {
  readonly mspId: string;
  readonly all: readonly Certificate[];
  /** Fingerprints. */
  readonly roots: ReadonlySet<string>;
  /** Fingerprints of those that have an intermediate below them. */
  readonly inner: ReadonlySet<string>;
}

type Revoked = ReadonlyMap<string, ReadonlySet<string>>;

function loadTrust({ mspId, roots, intermediates = [], crls = [] }: Organisation, later: readonly string[] = []) {
  try {
    if (!/^[A-Za-z0-9.-]{1,64}$/.test(mspId)) throw new Error('bad MSP id');
    const anchors = roots.map(authorityOf);
    if (anchors.length === 0) throw new Error('no root');
    if (!anchors.every((root) => signedBy(root, root.signed))) throw new Error('root is not self-signed');
    const below = intermediates.map(authorityOf);
    const listed = {
      mspId,
      all: [...new Map([...anchors, ...below].map((ca) => [ca.fingerprint, ca])).values()],
      roots: new Set(anchors.map((root) => root.fingerprint)),
      inner: new Set<string>(),
    };
    const chains = below.map((ca) => chainOf(ca, listed));
    const own = loadRevoked(crls, listed.all);
    if (own.unsigned) throw new Error('revocation list by none of the authorities');
    if (chains.some((chain) => isRevoked(chain, own.revoked))) throw new Error('intermediate is revoked');
    const inner = new Set(chains.flatMap(([, ...above]) => above.map(({ fingerprint }) => fingerprint)));
    const { revoked } = later.length === 0 ? own : loadRevoked([...crls, ...later], listed.all);
    return { authorities: { ...listed, inner }, revoked };
  } catch (cause) {
    throw new VerifyError('TRUST_INVALID', `Trust roots of ${mspId} cannot be used`, { cause });
  }
}

/** Serial numbers each authority revoked, by the authority's fingerprint; `unsigned`: a list is by none of them. */
function loadRevoked(
  crls: readonly string[],
  authorities: readonly Certificate[],
): { readonly revoked: Revoked; readonly unsigned: boolean } {
  const revoked = new Map<string, ReadonlySet<string>>();
  let unsigned = false;
  for (const list of crls.map(readRevocationList)) {
    const issuers = authorities.filter(
      (ca) => ca.subjectName === list.issuerName && ca.usage.crlSign && signedBy(ca, list.signed),
    );
    unsigned ||= issuers.length === 0;
    for (const { fingerprint } of issuers) {
      revoked.set(fingerprint, new Set([...(revoked.get(fingerprint) ?? []), ...list.serialNumbers]));
    }
  }
  return { revoked, unsigned };
}

function isRevoked(chain: readonly Certificate[], revoked: Revoked): boolean {
  return chain.some((link, i) => revoked.get(chain[i + 1]?.fingerprint ?? '')?.has(link.serialNumber));
}

function isValid(chain: readonly Certificate[], at: number): boolean {
  return chain.every(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter);
}

function authorityOf(pem: string): Certificate {
  const certificate = readCertificate(pem);
  if (!certificate.authority || !certificate.usage.certSign) throw new Error('not an authority');
  return certificate;
}

/**
 * The certificate and its issuers up to a root. As Fabric has it there is exactly one such chain whose links were all
 * valid when the certificate began to be, and an authority that stands above another issues nothing else.
 * @throws VerifyError CERTIFICATE_UNTRUSTED CERTIFICATE_EXPIRED
 */
function chainOf(certificate: Certificate, authorities: Authorities): readonly Certificate[] {
  const { mspId, inner } = authorities;
  const chains = chainsOf(certificate, authorities, []);
  if (chains.length === 0) {
    throw new VerifyError('CERTIFICATE_UNTRUSTED', `Certificate does not chain to a root of ${mspId}`);
  }
  const [chain, other] = chains.filter((each) => isValid(each, certificate.notBefore + SECOND_MS));
  if (!chain) throw new VerifyError('CERTIFICATE_EXPIRED', `An authority of ${mspId} was not valid at its issue`);
  if (other) throw new VerifyError('CERTIFICATE_UNTRUSTED', `Certificate chains to ${mspId} in more than one way`);
  if (chain[1] && inner.has(chain[1].fingerprint)) {
    throw new VerifyError('CERTIFICATE_UNTRUSTED', `An authority of ${mspId} that has others below it issues nothing`);
  }
  return chain;
}

/** `below`: what is under the certificate, the leaf first. */
function chainsOf(
  certificate: Certificate,
  authorities: Authorities,
  below: readonly Certificate[],
): readonly (readonly Certificate[])[] {
  if (authorities.roots.has(certificate.fingerprint)) return [[certificate]];
  if (below.length >= MAX_CHAIN) return [];
  const chain = [...below, certificate];
  return authorities.all
    .filter(
      (ca) =>
        ca.subjectName === certificate.issuerName &&
        ca.pathLength >= below.length &&
        !chain.some((link) => isSame(link, ca)) &&
        signedBy(ca, certificate.signed),
    )
    .flatMap((ca) => chainsOf(ca, authorities, chain).map((rest) => [certificate, ...rest]));
}

/** Another certificate of the same authority leads nowhere else. */
function isSame(one: Certificate, other: Certificate): boolean {
  return one.subjectName === other.subjectName && equalBytes(one.publicKey, other.publicKey);
}

function signedBy(authority: Certificate, { message, signature }: Signed): boolean {
  return authority.verify(message, signature);
}

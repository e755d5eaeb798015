import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { sha256 } from '@noble/hashes/sha2.js';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  CertificateList,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  KeyUsage,
  KeyUsageFlags,
  id_ce_nameConstraints as NAME_CONSTRAINTS,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  RevokedCertificate,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  TBSCertList,
  Time,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { OID, readCertificate } from './certificate.ts';
import { encodeUtf8, equalBytes, fromPem, toPem } from './encoding.ts';
import { VerifyError } from './errors.ts';
import type { Role } from './policy.ts';
import { toLowS } from './signature.ts';

/** A certificate and its key, both PEM (PKCS #8). */
export interface Credential {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A certificate authority as it is stored. `revoked` holds hex serial numbers. */
export interface AuthorityRecord extends Credential {
  readonly mspId: string;
  readonly organisation?: string;
  /** Of an intermediate authority: PEM of the root it stands under. */
  readonly root?: string;
  readonly revoked: readonly string[];
  readonly crlNumber: number;
}

export interface AuthorityOptions {
  readonly mspId: string;
  /** `O` of every certificate; default: the MSP id. */
  readonly organisation?: string;
  /**
   * For TLS: the only DNS names (with what is below them) and IPv4 addresses that its certificates may be for, whoever
   * asks (RFC 5280 §4.2.1.10); any when left out.
   */
  readonly permittedHosts?: readonly string[];
  /** Epoch milliseconds; default: an hour ago, and ten years after. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

export interface IssueOptions {
  readonly commonName: string;
  readonly role: Exclude<Role, 'member'>;
  /** Written as Fabric CA does, for attribute-based access control. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Certifies this key (PEM) instead of a new one; `privateKey` of the result is then empty. */
  readonly publicKey?: string;
  /** DNS names and IP addresses of a TLS server. */
  readonly hosts?: readonly string[];
  /** Epoch milliseconds; default: an hour ago, and one year after, never beyond the authority's own period. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

export interface IntermediateOptions {
  readonly commonName: string;
  /** Epoch milliseconds; default: the root's own period, and never beyond it. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

/**
 * A certificate authority of one organisation, for the embedded network, tests and small installations: a root, or an
 * intermediate under one. An intermediate does all its work without the root's key.
 */
export interface Authority {
  readonly mspId: string;
  /** Self-signed; of an intermediate, the root it stands under. */
  readonly rootPem: string;
  /** What leads from what it issues to the root: of an intermediate its own certificate, of a root nothing. */
  readonly intermediates: readonly string[];
  issue(options: IssueOptions): Credential;
  /**
   * An authority under this root, with a key and a record of its own, that may issue no further authority. From then on
   * Fabric takes no identity that the root itself issues.
   * @throws VerifyError CERTIFICATE_INVALID when this is an intermediate itself
   */
  intermediate(options: IntermediateOptions): Authority;
  revoke(certificate: string): void;
  /** The revocation list as of now, PEM. */
  crl(): string;
  /** What `restoreAuthority` takes. It holds the private key. */
  record(): AuthorityRecord;
}

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const LEAF_USAGE = KeyUsageFlags.digitalSignature;
const AUTHORITY_USAGE = KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;

/** Makes a root authority with a new key. */
export function createAuthority(options: AuthorityOptions): Authority {
  const { mspId, organisation = mspId, permittedHosts, notBefore = Date.now() - HOUR_MS } = options;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = nameOf({ CN: `ca.${mspId}`, O: organisation });
  const certificate = certify({
    subject,
    issuer: { name: subject, publicKey, privateKey },
    publicKey,
    notBefore,
    notAfter: options.notAfter ?? notBefore + 10 * YEAR_MS,
    extensions: [
      ...authorityExtensions(),
      ...(permittedHosts === undefined ? [] : [extension(NAME_CONSTRAINTS, true, constraintsTo(permittedHosts))]),
    ],
  });
  return restoreAuthority({
    mspId,
    organisation,
    certificate,
    privateKey: exportKey(privateKey),
    revoked: [],
    crlNumber: 0,
  });
}

/** Whether an authority was made for these `permittedHosts`, by the very bytes that say so. */
export function isConfinedTo(hosts: readonly string[], certificate: string): boolean {
  const [said, more] = (contentOf(certificate).extensions ?? []).filter(({ extnID }) => extnID === NAME_CONSTRAINTS);
  if (said === undefined || more !== undefined || !said.critical) return false;
  const expected = AsnConvert.serialize(constraintsTo(hosts));
  return equalBytes(new Uint8Array(said.extnValue.buffer), new Uint8Array(expected));
}

/** The authority whose `record()` was stored. */
export function restoreAuthority(stored: AuthorityRecord): Authority {
  const { mspId, organisation = mspId, certificate, root } = stored;
  const { subject, validity } = contentOf(certificate);
  const own = { notBefore: validity.notBefore.getTime().getTime(), notAfter: validity.notAfter.getTime().getTime() };
  const privateKey = createPrivateKey(stored.privateKey);
  const issuer: Issuer = { name: subject, publicKey: createPublicKey(certificate), privateKey };
  const revoked = new Set(stored.revoked);
  let { crlNumber } = stored;

  const period = (notBefore = Math.max(Date.now() - HOUR_MS, own.notBefore), notAfter = notBefore + YEAR_MS) => ({
    notBefore,
    notAfter: Math.min(notAfter, own.notAfter),
  });

  return {
    mspId,
    rootPem: root ?? certificate,
    intermediates: root === undefined ? [] : [certificate],
    issue(options) {
      const pair = options.publicKey === undefined ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : undefined;
      return {
        certificate: certify({
          subject: nameOf({ CN: options.commonName, OU: options.role, O: organisation }),
          issuer,
          publicKey: pair?.publicKey ?? createPublicKey(options.publicKey as string),
          ...period(options.notBefore, options.notAfter),
          extensions: leafExtensions(options),
        }),
        privateKey: pair ? exportKey(pair.privateKey) : '',
      };
    },
    intermediate({ commonName, notBefore = own.notBefore, notAfter = own.notAfter }) {
      if (root !== undefined) throw new VerifyError('CERTIFICATE_INVALID', 'An intermediate issues no authority');
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pem = certify({
        subject: nameOf({ CN: commonName, O: organisation }),
        issuer,
        publicKey: pair.publicKey,
        ...period(Math.max(notBefore, own.notBefore), notAfter),
        extensions: authorityExtensions({ pathLenConstraint: 0 }),
      });
      return restoreAuthority({
        mspId,
        organisation,
        root: certificate,
        certificate: pem,
        privateKey: exportKey(pair.privateKey),
        revoked: [],
        crlNumber: 0,
      });
    },
    revoke(pem) {
      revoked.add(readCertificate(pem).serialNumber);
    },
    crl() {
      crlNumber += 1;
      return revocationList(issuer, [...revoked], crlNumber);
    },
    record: () => ({
      mspId,
      organisation,
      ...(root !== undefined && { root }),
      certificate,
      privateKey: stored.privateKey,
      revoked: [...revoked],
      crlNumber,
    }),
  };
}

interface Issuer {
  readonly name: Name;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

interface Certification {
  readonly subject: Name;
  readonly issuer: Issuer;
  readonly publicKey: KeyObject;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly Extension[];
}

function certify({ subject, issuer, publicKey, notBefore, notAfter, extensions }: Certification): string {
  const algorithm = new AlgorithmIdentifier({ algorithm: OID.ecdsaWithSha256 });
  const tbs = new TBSCertificate({
    version: Version.v3,
    serialNumber: newSerialNumber(),
    signature: algorithm,
    issuer: issuer.name,
    validity: new Validity({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(spki(publicKey), SubjectPublicKeyInfo),
    extensions: new Extensions([
      ...extensions,
      extension('2.5.29.14', false, new SubjectKeyIdentifier(keyIdentifier(publicKey))),
      extension(
        '2.5.29.35',
        false,
        new AuthorityKeyIdentifier({ keyIdentifier: new OctetString(keyIdentifier(issuer.publicKey)) }),
      ),
    ]),
  });
  const signatureValue = signed(tbs, issuer);
  return pemOf('CERTIFICATE', new Certificate({ tbsCertificate: tbs, signatureAlgorithm: algorithm, signatureValue }));
}

function revocationList(issuer: Issuer, revoked: readonly string[], crlNumber: number): string {
  const algorithm = new AlgorithmIdentifier({ algorithm: OID.ecdsaWithSha256 });
  const now = new Date();
  const entries = revoked.map((serial) => {
    const userCertificate = bufferOf(Buffer.from(positive(serial), 'hex'));
    return new RevokedCertificate({ userCertificate, revocationDate: new Time(now) });
  });
  const number = Buffer.from(positive(crlNumber.toString(16)), 'hex');
  const tbs = new TBSCertList({
    version: Version.v2,
    signature: algorithm,
    issuer: issuer.name,
    thisUpdate: new Time(now),
    nextUpdate: new Time(new Date(now.getTime() + YEAR_MS)),
    ...(entries.length > 0 && { revokedCertificates: entries }),
    crlExtensions: [
      extension(
        '2.5.29.35',
        false,
        new AuthorityKeyIdentifier({ keyIdentifier: new OctetString(keyIdentifier(issuer.publicKey)) }),
      ),
      new Extension({
        extnID: '2.5.29.20',
        extnValue: new OctetString(Buffer.concat([Buffer.of(2, number.length), number])),
      }),
    ],
  });
  return pemOf(
    'X509 CRL',
    new CertificateList({ tbsCertList: tbs, signatureAlgorithm: algorithm, signature: signed(tbs, issuer) }),
  );
}

function authorityExtensions(constraints: { readonly pathLenConstraint?: number } = {}): Extension[] {
  return [
    extension(OID.basicConstraints, true, new BasicConstraints({ cA: true, ...constraints })),
    extension(OID.keyUsage, true, new KeyUsage(AUTHORITY_USAGE)),
  ];
}

function constraintsTo(hosts: readonly string[]): NameConstraints {
  const subtrees = hosts.map((host) => new GeneralSubtree({ base: generalName(host, '/32') }));
  return new NameConstraints({ permittedSubtrees: new GeneralSubtrees(subtrees) });
}

function leafExtensions({ attributes, hosts }: IssueOptions): Extension[] {
  const extensions = [
    extension(OID.basicConstraints, true, new BasicConstraints({ cA: false })),
    extension(OID.keyUsage, true, new KeyUsage(LEAF_USAGE)),
  ];
  if (hosts)
    extensions.push(extension('2.5.29.17', false, new SubjectAlternativeName(hosts.map((host) => generalName(host)))));
  if (attributes) {
    const extnValue = new OctetString(encodeUtf8(JSON.stringify({ attrs: attributes })));
    extensions.push(new Extension({ extnID: OID.attributes, extnValue }));
  }
  return extensions;
}

function generalName(host: string, mask = ''): GeneralName {
  return new GeneralName(isIP(host) ? { iPAddress: `${host}${mask}` } : { dNSName: host });
}

function extension(extnID: string, critical: boolean, value: unknown): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function nameOf(parts: Readonly<Record<'CN' | 'O', string> & { OU?: string }>): Name {
  const types = { CN: '2.5.4.3', OU: '2.5.4.11', O: '2.5.4.10' };
  return new Name(
    Object.entries(parts).map(([key, utf8String]) => {
      const type = types[key as keyof typeof types];
      return new RelativeDistinguishedName([
        new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) }),
      ]);
    }),
  );
}

function contentOf(pem: string): TBSCertificate {
  return AsnConvert.parse(fromPem('CERTIFICATE', pem) ?? new Uint8Array(), Certificate).tbsCertificate;
}

function signed(tbs: unknown, issuer: Issuer): ArrayBuffer {
  const signature = sign('sha256', new Uint8Array(AsnConvert.serialize(tbs)), issuer.privateKey);
  return bufferOf(toLowS(signature));
}

/** 127 random bits, positive and of minimal DER length. */
function newSerialNumber(): ArrayBuffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bufferOf(bytes);
}

/** Hex of a positive DER integer. */
function positive(hex: string): string {
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even;
}

function keyIdentifier(key: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sha256(spki(key).subarray(-65)));
}

function spki(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' });
}

function exportKey(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

function pemOf(label: string, value: Certificate | CertificateList): string {
  return toPem(label, new Uint8Array(AsnConvert.serialize(value)));
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { AsnConvert, type OctetString } from '@peculiar/asn1-schema';
import {
  BasicConstraints,
  CertificateList,
  type Extension,
  KeyUsage,
  KeyUsageFlags,
  type Name,
  Certificate as X509Certificate,
} from '@peculiar/asn1-x509';
import QuickLRU from 'quick-lru';
import { type EcdsaVerifier, ecdsaVerifier } from '#ecdsa';
import { concatBytes, decodeUtf8, equalBytes, fromPem, toPem } from './encoding.ts';
import { VerifyError } from './errors.ts';

/** An X.509 certificate of a P-256 key signed with ECDSA and SHA-256: read, and trusted in nothing. */
export interface Certificate {
  readonly pem: string;
  /** SHA-256 of the DER bytes, hex. */
  readonly fingerprint: string;
  /** Hex, without leading zeros. */
  readonly serialNumber: string;
  /** RFC 4514-like, in the order of the certificate: `CN=..,OU=..`. */
  readonly subject: string;
  readonly organisationalUnits: readonly string[];
  /** Encoded names, hex, to compare. */
  readonly subjectName: string;
  readonly issuerName: string;
  /** Epoch milliseconds, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** Fabric CA's attributes, extension 1.2.3.4.5.6.7.8.1. No prototype. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Basic constraints say CA. */
  readonly authority: boolean;
  /** How many authorities may stand between this one and a leaf. */
  readonly pathLength: number;
  readonly usage: { readonly digitalSignature: boolean; readonly certSign: boolean; readonly crlSign: boolean };
  readonly signed: Signed;
  readonly verify: EcdsaVerifier;
}

/** A certificate revocation list: read, and trusted in nothing. */
export interface RevocationList {
  readonly issuerName: string;
  /** Epoch milliseconds. */
  readonly issuedAt: number;
  readonly serialNumbers: ReadonlySet<string>;
  readonly signed: Signed;
}

/** What an authority signed, and its signature (DER, either S). */
export interface Signed {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

export const OID = {
  attributes: '1.2.3.4.5.6.7.8.1',
  basicConstraints: '2.5.29.19',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecPublicKey: '1.2.840.10045.2.1',
  keyUsage: '2.5.29.15',
} as const;

const MAX_CERTIFICATE_BYTES = 16 * 1024;
const MAX_LIST_BYTES = 4 * 1024 * 1024;
/** DER of the object identifier prime256v1. */
const P256 = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07);
/** DER of SEQUENCE { ecdsa-with-SHA256 }. */
const ALGORITHM = Uint8Array.of(0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const KNOWN_CRITICAL = new Set<string>([OID.basicConstraints, OID.keyUsage, '2.5.29.37', '2.5.29.17']);
const NAMES: Record<string, string> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.5': 'serialNumber',
};

/** Certificates by their PEM. The same few come with almost every message, and taking one apart costs a millisecond. */
const known = new QuickLRU<string, Certificate>({ maxSize: 1024 });

/**
 * Reads one certificate.
 * @throws VerifyError CERTIFICATE_INVALID
 */
export function readCertificate(pem: string): Certificate {
  const read = known.get(pem);
  if (read !== undefined) return read;
  const certificate = parseCertificate(pem);
  known.set(pem, certificate);
  return certificate;
}

function parseCertificate(pem: string): Certificate {
  return guarded('certificate', () => {
    const der = derOf('CERTIFICATE', pem, MAX_CERTIFICATE_BYTES);
    const certificate = AsnConvert.parse(der, X509Certificate);
    const { tbsCertificate: tbs, tbsCertificateRaw: raw } = certificate;
    if (tbs.version !== 2) throw new Error('not version 3');
    requireAlgorithm(certificate.signatureAlgorithm.algorithm, tbs.signature.algorithm);
    const publicKey = pointOf(tbs.subjectPublicKeyInfo);
    const extensions = extensionsOf(tbs.extensions);
    const basic = parseExtension(extensions.get(OID.basicConstraints), BasicConstraints);
    const usage = parseExtension(extensions.get(OID.keyUsage), KeyUsage)?.toNumber();
    const allows = (flag: number) => usage === undefined || (usage & flag) !== 0;
    const serialNumber = hexInteger(tbs.serialNumber);
    return {
      pem: toPem('CERTIFICATE', der),
      fingerprint: bytesToHex(sha256(der)),
      serialNumber,
      subject: textOf(tbs.subject),
      organisationalUnits: valuesOf(tbs.subject, '2.5.4.11'),
      subjectName: encodedName(tbs.subject),
      issuerName: encodedName(tbs.issuer),
      notBefore: tbs.validity.notBefore.getTime().getTime(),
      notAfter: tbs.validity.notAfter.getTime().getTime(),
      publicKey,
      attributes: attributesOf(extensions.get(OID.attributes)?.extnValue),
      authority: basic?.cA === true,
      pathLength: basic?.pathLenConstraint ?? Number.POSITIVE_INFINITY,
      usage: {
        digitalSignature: allows(KeyUsageFlags.digitalSignature),
        certSign: allows(KeyUsageFlags.keyCertSign),
        crlSign: allows(KeyUsageFlags.cRLSign),
      },
      signed: signedOf(raw, certificate.signatureValue, der),
      verify: ecdsaVerifier(publicKey),
    };
  });
}

/**
 * Reads one certificate revocation list.
 * @throws VerifyError CERTIFICATE_INVALID
 */
export function readRevocationList(pem: string): RevocationList {
  return guarded('revocation list', () => {
    const der = derOf('X509 CRL', pem, MAX_LIST_BYTES);
    const list = AsnConvert.parse(der, CertificateList);
    const { tbsCertList: tbs, tbsCertListRaw: raw } = list;
    requireAlgorithm(list.signatureAlgorithm.algorithm, tbs.signature.algorithm);
    if (tbs.crlExtensions?.some((extension) => extension.critical)) throw new Error('unknown critical extension');
    return {
      issuerName: encodedName(tbs.issuer),
      issuedAt: tbs.thisUpdate.getTime().getTime(),
      serialNumbers: new Set((tbs.revokedCertificates ?? []).map((entry) => hexInteger(entry.userCertificate))),
      signed: signedOf(raw, list.signature, der),
    };
  });
}

function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new VerifyError('CERTIFICATE_INVALID', `Not a ${what} that can be used`, { cause });
  }
}

function derOf(label: string, pem: string, maxBytes: number): Uint8Array {
  const der = pem.length <= maxBytes * 1.5 ? fromPem(label, pem) : null;
  if (!der) throw new Error('not one PEM block of this kind');
  return der;
}

function requireAlgorithm(outer: string, inner: string): void {
  if (outer !== OID.ecdsaWithSha256 || inner !== outer) throw new Error('not signed with ECDSA and SHA-256');
}

function pointOf(info: X509Certificate['tbsCertificate']['subjectPublicKeyInfo']): Uint8Array {
  const { algorithm, parameters } = info.algorithm;
  const point = new Uint8Array(info.subjectPublicKey);
  const p256 = algorithm === OID.ecPublicKey && parameters != null && equalBytes(new Uint8Array(parameters), P256);
  if (!p256 || point.length !== 65 || point[0] !== 4) throw new Error('not an uncompressed P-256 key');
  return point;
}

function extensionsOf(list: readonly Extension[] = []): Map<string, Extension> {
  const extensions = new Map(list.map((extension) => [extension.extnID, extension]));
  if (extensions.size !== list.length) throw new Error('repeated extension');
  if (list.some((extension) => extension.critical && !KNOWN_CRITICAL.has(extension.extnID))) {
    throw new Error('unknown critical extension');
  }
  return extensions;
}

function parseExtension<T>(extension: Extension | undefined, type: new () => T): T | undefined {
  return extension && AsnConvert.parse(extension.extnValue.buffer, type);
}

function attributesOf(value: OctetString | undefined): Record<string, string> {
  const attributes = Object.create(null) as Record<string, string>;
  if (!value) return attributes;
  const { attrs } = JSON.parse(decodeUtf8(new Uint8Array(value.buffer))) as { attrs: unknown };
  if (typeof attrs !== 'object' || attrs === null || Array.isArray(attrs)) throw new Error('attributes are no object');
  for (const [name, attribute] of Object.entries(attrs)) {
    if (typeof attribute !== 'string') throw new Error('attribute is not a text');
    attributes[name] = attribute;
  }
  return attributes;
}

/**
 * What an authority signed, provided that the rest is spelled in the one way DER has: it is under no signature, and with
 * any other spelling the same certificate had another fingerprint.
 */
function signedOf(message: ArrayBuffer | undefined, signature: ArrayBuffer, der: Uint8Array): Signed {
  if (!message) throw new Error('no signed part');
  const signed = { message: new Uint8Array(message), signature: new Uint8Array(signature) };
  const rest = concatBytes(ALGORITHM, element(0x03, Uint8Array.of(0, ...signed.signature)));
  if (!equalBytes(der, element(0x30, concatBytes(signed.message, rest)))) throw new Error('not the one DER spelling');
  return signed;
}

function element(tag: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let left = content.length; left > 0; left >>>= 8) length.unshift(left & 0xff);
  const long = content.length < 0x80 ? [content.length] : [0x80 | length.length, ...length];
  return concatBytes(Uint8Array.of(tag, ...long), content);
}

function encodedName(name: Name): string {
  return bytesToHex(new Uint8Array(AsnConvert.serialize(name)));
}

function hexInteger(value: ArrayBuffer): string {
  return bytesToHex(new Uint8Array(value)).replace(/^0+/, '') || '0';
}

function valuesOf(name: Name, type: string): string[] {
  return [...name]
    .flatMap((part) => [...part])
    .filter((attribute) => attribute.type === type)
    .map((attribute) => attribute.value.toString());
}

function textOf(name: Name): string {
  return [...name]
    .flatMap((part) => [...part])
    .map(({ type, value }) => `${NAMES[type] ?? type}=${value.toString().replaceAll(/[,+"\\<>;=]/g, '\\$&')}`)
    .join(',');
}

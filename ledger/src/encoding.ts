import { base64Decode, base64Encode, getTextEncoding } from '@bufbuild/protobuf/wire';

/** Bytes as base64url without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return base64Encode(bytes, 'url');
}

/** The bytes of base64url without padding, or `null` when the text is not the one canonical encoding of some bytes. */
export function fromBase64url(text: string): Uint8Array | null {
  return /^[A-Za-z0-9_-]*$/.test(text) ? canonicalBase64(text, 'url') : null;
}

/** @throws TypeError when the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  return getTextEncoding().decodeUtf8(bytes, true);
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return getTextEncoding().encodeUtf8(text);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** One PEM block (RFC 7468, 64 characters a line), as `openssl`, Fabric CA and cryptogen write it. */
export function toPem(label: string, der: Uint8Array): string {
  const lines = base64Encode(der, 'std').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The bytes of a text that is exactly one PEM block with lines ended by LF, or `null`. */
export function fromPem(label: string, pem: string): Uint8Array | null {
  const match = /^-----BEGIN ([A-Z0-9 ]+)-----\n([A-Za-z0-9+/=\n]+)\n-----END ([A-Z0-9 ]+)-----\n?$/.exec(pem);
  if (match?.[1] !== label || match[3] !== label) return null;
  return canonicalBase64((match[2] as string).replaceAll('\n', ''), 'std');
}

function canonicalBase64(text: string, encoding: 'std' | 'url'): Uint8Array | null {
  try {
    const bytes = base64Decode(text);
    return base64Encode(bytes, encoding) === text ? bytes : null;
  } catch {
    return null;
  }
}

import { sha256 } from '@noble/hashes/sha2.js';
import { base64urlnopad } from '@scure/base';
import { ProtocolError } from './errors.ts';

const utf8 = new TextEncoder();

export function utf8Bytes(text: string): Uint8Array {
  return utf8.encode(text);
}

/** Bytes in JSON are base64url without padding (RFC 4648 §5), in the one canonical spelling. */
export function toBase64url(bytes: Uint8Array): string {
  return base64urlnopad.encode(bytes);
}

/** @throws BYTES_INVALID for anything but canonical base64url */
export function fromBase64url(text: string): Uint8Array {
  try {
    return base64urlnopad.decode(text);
  } catch (cause) {
    throw new ProtocolError('BYTES_INVALID', 'not canonical base64url', { cause });
  }
}

/** SHA-256 of the concatenation, as base64url (43 characters). */
export function digest(...parts: Uint8Array[]): string {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return toBase64url(hash.digest());
}

import { createCipheriv, createHash, createHmac } from 'node:crypto';

/** SM3 of the concatenated parts, 32 bytes. */
export function sm3(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sm3');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** HMAC-SM3 of the concatenated parts, 32 bytes. */
export function hmacSm3(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac('sm3', key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
}

/** SM4 in counter mode; the counter is 16 bytes, big-endian. */
export function sm4Ctr(key: Uint8Array, counter: Uint8Array, data: Uint8Array): Uint8Array {
  const cipher = createCipheriv('sm4-ctr', key, counter);
  const output = cipher.update(data);
  cipher.final();
  return new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
}

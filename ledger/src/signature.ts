/** Order of P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const MAX_DER_BYTES = 72;

/**
 * Whether bytes are a strict DER ECDSA signature over P-256 with the smaller of its two S values, the only form Fabric takes.
 * One signature, one encoding: nobody can change the bytes of a signed envelope without the key.
 */
export function isLowS(der: Uint8Array): boolean {
  const parts = split(der);
  return parts !== null && parts.r > 0n && parts.r < ORDER && parts.s > 0n && parts.s <= ORDER / 2n;
}

/** The same signature with the smaller S. */
export function toLowS(der: Uint8Array): Uint8Array {
  const parts = split(der);
  if (!parts || parts.s <= ORDER / 2n) return der;
  const r = der.subarray(4, 4 + (der[3] as number));
  const s = minimal(ORDER - parts.s);
  return Uint8Array.of(0x30, r.length + s.length + 4, 2, r.length, ...r, 2, s.length, ...s);
}

function split(der: Uint8Array): { r: bigint; s: bigint } | null {
  if (der.length > MAX_DER_BYTES || der[0] !== 0x30 || der[1] !== der.length - 2) return null;
  const r = integer(der, 2);
  const s = r && integer(der, r.end);
  return r && s && s.end === der.length ? { r: r.value, s: s.value } : null;
}

function integer(der: Uint8Array, start: number): { value: bigint; end: number } | null {
  const length = der[start + 1] ?? 0;
  const bytes = der.subarray(start + 2, start + 2 + length);
  const [first = 0x80, second = 0x80] = bytes;
  const padded = first === 0 && length > 1 && second < 0x80;
  if (der[start] !== 2 || length === 0 || bytes.length !== length || first >= 0x80 || padded) return null;
  return { value: bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n), end: start + 2 + length };
}

function minimal(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn));
  return (bytes[0] as number) >= 0x80 ? [0, ...bytes] : bytes;
}

import { invertCt } from '@noble/curves/abstract/modular.js';
import { bytesToNumberBE, createHmacDrbg } from '@noble/curves/utils.js';
import { hmacSm3, sm3 } from '#native-sm';
import { concat, utf8 } from '../bytes.ts';
import { SCALAR_BYTES } from '../curve.ts';
import { PreError } from '../pre-error.ts';
import type { Rng } from '../rng.ts';
import { draw, systemRng } from '../rng.ts';
import type { Sm2Point } from './sm2-curve.ts';
import { decodePublicKey, decodeSecretKey, G, Sm2, scalars } from './sm2-curve.ts';

/** The user id that GM/T 0009 prescribes where nothing else was agreed. */
export const DEFAULT_USER_ID: Uint8Array = utf8('1234567812345678');

const SIGNATURE_BYTES = 64;
const ENTROPY_BYTES = 32;
/** Its length in bits has to fit into two bytes. */
const MAX_USER_ID_BYTES = 8191;

const drbg = createHmacDrbg<Uint8Array>(32, SCALAR_BYTES, hmacSm3);

export interface Sm2SigningOptions {
  /** At most 8191 bytes; "1234567812345678" by default. Verifying needs the same. */
  readonly userId?: Uint8Array;
  readonly rng?: Rng;
}

/**
 * SM2 digital signature with SM3 (GB/T 32918.2-2016), 64 bytes r | s. The standard leaves the nonce to chance; here it
 * comes from HMAC-SM3 as in RFC 6979 with 32 random bytes as additional data (§3.6), so that a weak source does not leak
 * the key.
 * @param secret 32 bytes
 * @throws KEY_INVALID, ARGUMENT_INVALID on a longer user id
 */
export function signSm2(secret: Uint8Array, message: Uint8Array, options: Sm2SigningOptions = {}): Uint8Array {
  const { userId = DEFAULT_USER_ID, rng = systemRng } = options;
  const d = decodeSecretKey(secret);
  return signDigest(digest(G.multiply(d), message, userId), d, draw(rng, ENTROPY_BYTES));
}

/**
 * False for a wrong or malformed signature.
 * @param key 33 bytes
 * @throws KEY_INVALID, ARGUMENT_INVALID on a longer user id
 */
export function verifySm2(
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  userId: Uint8Array = DEFAULT_USER_ID,
): boolean {
  const point = decodePublicKey(key);
  return verifyDigest(digest(point, message, userId), signature, point);
}

/** e = SM3(Z | message), as an integer modulo n (GB/T 32918.2-2016 §6.1 A1, A2). */
export function digest(key: Sm2Point, message: Uint8Array, userId: Uint8Array = DEFAULT_USER_ID): bigint {
  return scalars.create(bytesToNumberBE(sm3(identityHash(key, userId), message)));
}

/** Z: SM3 of the user id with its length in bits, the curve and the public key (GB/T 32918.2-2016 §5.5). */
export function identityHash(key: Sm2Point, userId: Uint8Array): Uint8Array {
  if (userId.length > MAX_USER_ID_BYTES) {
    throw new PreError('ARGUMENT_INVALID', `a user id is at most ${MAX_USER_ID_BYTES} bytes`);
  }
  const bits = userId.length * 8;
  const { a, b } = Sm2.CURVE();
  const curve = concat(Sm2.Fp.toBytes(a), Sm2.Fp.toBytes(b), G.toBytes(false).subarray(1));
  return sm3(Uint8Array.of(bits >> 8, bits & 0xff), userId, curve, key.toBytes(false).subarray(1));
}

/** Signs e with secret d; the 32 bytes of entropy are hedged with both. */
export function signDigest(e: bigint, d: bigint, entropy: Uint8Array): Uint8Array {
  const seed = concat(scalars.toBytes(d), scalars.toBytes(e), entropy);
  const signature = drbg(seed, (candidate) => signWith(bytesToNumberBE(candidate), e, d));
  seed.fill(0);
  return signature;
}

/** GB/T 32918.2-2016 §6.1 A4 to A7 with nonce k, or nothing when another has to be drawn. */
export function signWith(k: bigint, e: bigint, d: bigint): Uint8Array | undefined {
  if (!scalars.isValidNot0(k)) return undefined;
  const r = scalars.add(e, scalars.create(G.multiply(k).toAffine().x));
  if (scalars.is0(r) || scalars.is0(scalars.add(r, k))) return undefined;
  const s = scalars.mul(invertCt(d + 1n, scalars.ORDER), scalars.sub(k, scalars.mul(r, d)));
  return scalars.is0(s) ? undefined : concat(scalars.toBytes(r), scalars.toBytes(s));
}

/** GB/T 32918.2-2016 §7.1 B1, B2 and B5 to B7. */
export function verifyDigest(e: bigint, signature: Uint8Array, key: Sm2Point): boolean {
  if (!isSignature(signature)) return false;
  const r = bytesToNumberBE(signature.subarray(0, SCALAR_BYTES));
  const s = bytesToNumberBE(signature.subarray(SCALAR_BYTES));
  const t = scalars.add(r, s);
  if (scalars.is0(t)) return false;
  const point = G.multiplyUnsafe(s).add(key.multiplyUnsafe(t));
  return !point.is0() && scalars.add(e, scalars.create(point.toAffine().x)) === r;
}

/** Whether the bytes are 64 and r and s are from 1 to n - 1. There is no low or high s in SM2. */
export function isSignature(signature: Uint8Array): boolean {
  if (!(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) return false;
  const halves = [signature.subarray(0, SCALAR_BYTES), signature.subarray(SCALAR_BYTES)];
  return halves.every((half) => scalars.isValidNot0(bytesToNumberBE(half)));
}

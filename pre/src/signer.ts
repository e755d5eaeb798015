import { sha256 } from '#native';
import { wipe } from './bytes.ts';
import { decodeScalar, group } from './curve.ts';
import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { pointOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';

export const SIGNATURE_BYTES = 64;

const ENTROPY_BYTES = 32;

/** Signs with ECDSA over secp256k1 and SHA-256. Its key is never a delegating key. */
export class Signer {
  readonly #secret: SecretKey;

  constructor(secret: SecretKey) {
    this.#secret = secret;
  }

  /** 64 bytes r | s with low s; the nonce is RFC 6979 with 32 random bytes as additional data (§3.6). */
  sign(message: Uint8Array, rng: Rng = systemRng): Uint8Array {
    const entropy = draw(rng, ENTROPY_BYTES);
    const signature = group.sign(sha256(message), scalarOf(this.#secret), entropy);
    wipe(entropy);
    return signature;
  }

  verifyingKey(): PublicKey {
    return this.#secret.publicKey();
  }

  /** Overwrites the signing key. */
  wipe(): void {
    this.#secret.wipe();
  }
}

/** False for a wrong, malformed or high-s signature. */
export function verifySignature(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (!(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) return false;
  return group.verify(sha256(message), signature, pointOf(key));
}

/** Refuses r or s out of range and a high s, before the signature's message is known. @throws `code` */
export function checkSignatureForm(signature: Uint8Array, code: PreErrorCode): void {
  decodeScalar(signature.subarray(0, 32), code);
  const s = decodeScalar(signature.subarray(32), code);
  const other = group.negate(s);
  const at = s.findIndex((byte, index) => byte !== other[index]);
  if ((s[at] as number) > (other[at] as number)) throw new PreError(code, 'the signature has a high s');
}

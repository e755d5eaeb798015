import { secp256k1 } from '@noble/curves/secp256k1.js';
import { decodeScalar } from './curve.ts';
import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';

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
    const secret = this.#secret.toBytes();
    try {
      return secp256k1.sign(message, secret, { extraEntropy: draw(rng, ENTROPY_BYTES) });
    } finally {
      secret.fill(0);
    }
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
  return secp256k1.verify(signature, message, key.toBytes());
}

/** Refuses r or s out of range and a high s, before the signature's message is known. @throws `code` */
export function checkSignatureForm(signature: Uint8Array, code: PreErrorCode): void {
  decodeScalar(signature.subarray(0, 32), code);
  const s = decodeScalar(signature.subarray(32), code);
  if (s > secp256k1.Point.Fn.ORDER >> 1n) throw new PreError(code, 'the signature has a high s');
}

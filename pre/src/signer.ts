import { wipe } from './bytes.ts';
import type { PreErrorCode } from './pre-error.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { pointOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { draw, systemRng } from './rng.ts';
import type { SecretKey } from './secret-key.ts';
import { scalarOf } from './secret-key.ts';
import type { Suite } from './suite.ts';

/** In every suite. */
export const SIGNATURE_BYTES = 64;

const ENTROPY_BYTES = 32;

/** Signs as the suite of its key does: ECDSA with SHA-256, or SM2. The key is never a delegating key. */
export class Signer {
  readonly #secret: SecretKey;

  constructor(secret: SecretKey) {
    this.#secret = secret;
  }

  /** 64 bytes r | s; the nonce is RFC 6979 with 32 random bytes as additional data (§3.6). */
  sign(message: Uint8Array, rng: Rng = systemRng): Uint8Array {
    const entropy = draw(rng, ENTROPY_BYTES);
    const signature = this.#secret.suite.sign(message, scalarOf(this.#secret), entropy);
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

/** False for a wrong or malformed signature, and for one with a high s where low s is the rule. */
export function verifySignature(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  const point = pointOf(key);
  return signature instanceof Uint8Array && key.suite.verify(message, signature, point);
}

/** Refuses what is no signature whatever its message and key. @throws `code` */
export function checkSignatureForm(suite: Suite, signature: Uint8Array, code: PreErrorCode): void {
  if (!suite.isSignature(signature)) throw new PreError(code, 'not a signature');
}

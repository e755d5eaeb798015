import { exactly } from './bytes.ts';
import { decodeScalar, G, multiply, randomScalar, SCALAR_BYTES } from './curve.ts';
import type { Scalar } from './group.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { publicKeyOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';

const HIDDEN = '[SecretKey]';

let readScalar: (key: SecretKey) => Scalar;

/** A secp256k1 secret key. Nothing that prints or serialises it shows its value. */
export class SecretKey {
  readonly #bytes: Uint8Array;
  #publicKey: PublicKey | undefined;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    decodeScalar(bytes, 'KEY_INVALID');
  }

  static random(rng: Rng = systemRng): SecretKey {
    return new SecretKey(randomScalar(rng));
  }

  /** @param bytes 32 bytes big-endian, 1 to n-1. @throws KEY_INVALID */
  static fromBytes(bytes: Uint8Array): SecretKey {
    return new SecretKey(exactly(bytes, SCALAR_BYTES, 'KEY_INVALID', 'a secret key'));
  }

  /** A copy of the 32 bytes; the caller wipes it. @throws KEY_INVALID after `wipe` */
  toBytes(): Uint8Array {
    return new Uint8Array(scalarOf(this));
  }

  publicKey(): PublicKey {
    this.#publicKey ??= publicKeyOf(multiply(scalarOf(this), G));
    return this.#publicKey;
  }

  /** Overwrites the key; every later use of the secret throws KEY_INVALID. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return HIDDEN;
  }

  static {
    readScalar = (key) => {
      if (!(#bytes in key)) throw new PreError('KEY_INVALID', 'not a SecretKey');
      return decodeScalar(key.#bytes, 'KEY_INVALID');
    };
  }
}

/** The secret itself, no copy, inside the package only. @throws KEY_INVALID once wiped */
export function scalarOf(key: SecretKey): Scalar {
  return readScalar(key);
}

import { exactly } from './bytes.ts';
import { multiply, randomScalar, SCALAR_BYTES } from './curve.ts';
import type { Scalar } from './group.ts';
import { INSIDE, requireInside } from './guard.ts';
import { PreError } from './pre-error.ts';
import type { PublicKey } from './public-key.ts';
import { publicKeyOf } from './public-key.ts';
import type { Rng } from './rng.ts';
import { systemRng } from './rng.ts';
import type { Suite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

const HIDDEN = '[SecretKey]';

let readScalar: (key: SecretKey) => Scalar;

/** A secret key of a suite. Nothing that prints or serialises it shows its value. */
export class SecretKey {
  readonly suite: Suite;
  readonly #bytes: Uint8Array;
  #publicKey: PublicKey | undefined;

  private constructor(inside: typeof INSIDE, suite: Suite, bytes: Uint8Array) {
    requireInside(inside);
    this.suite = suite;
    this.#bytes = bytes;
    scalarOf(this);
  }

  static random(rng: Rng = systemRng, suite: Suite = SECP256K1_SUITE): SecretKey {
    return new SecretKey(INSIDE, suite, randomScalar(suite, rng));
  }

  /** @param bytes 32 bytes big-endian, from 1 to n-1, or n-2 where SM2 signs. @throws KEY_INVALID */
  static fromBytes(bytes: Uint8Array, suite: Suite = SECP256K1_SUITE): SecretKey {
    return new SecretKey(INSIDE, suite, exactly(bytes, SCALAR_BYTES, 'KEY_INVALID', 'a secret key'));
  }

  /** A copy of the 32 bytes; the caller wipes it. @throws KEY_INVALID after `wipe` */
  toBytes(): Uint8Array {
    return new Uint8Array(scalarOf(this));
  }

  publicKey(): PublicKey {
    if (this.#publicKey === undefined) {
      const { group } = this.suite;
      this.#publicKey = publicKeyOf(this.suite, multiply(group, scalarOf(this), group.generator));
    }
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
      if (!key.suite.isSecretKey(key.#bytes)) throw new PreError('KEY_INVALID', 'not the value of a secret key');
      return key.#bytes;
    };
  }
}

/** The secret itself, no copy, inside the package only. @throws KEY_INVALID once wiped */
export function scalarOf(key: SecretKey): Scalar {
  return readScalar(key);
}

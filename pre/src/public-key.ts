import { binaryString, equal, exactly } from './bytes.ts';
import { decodePoint, POINT_BYTES } from './curve.ts';
import type { Point } from './group.ts';
import { INSIDE, requireInside } from './guard.ts';
import { PreError } from './pre-error.ts';
import type { Suite } from './suite.ts';
import { SECP256K1_SUITE } from './suite-secp256k1.ts';

let readPoint: (key: PublicKey) => Point;

/** A public key of a suite, never the identity. */
export class PublicKey {
  readonly suite: Suite;
  readonly #point: Point;

  /** @internal */
  constructor(inside: typeof INSIDE, suite: Suite, point: Point) {
    requireInside(inside);
    this.suite = suite;
    this.#point = point;
  }

  /** @param bytes 33 bytes, compressed SEC1. @throws KEY_INVALID */
  static fromBytes(bytes: Uint8Array, suite: Suite = SECP256K1_SUITE): PublicKey {
    const own = exactly(bytes, POINT_BYTES, 'KEY_INVALID', 'a public key');
    return new PublicKey(INSIDE, suite, decodePoint(suite, own, 'KEY_INVALID'));
  }

  /** @param text the 33 bytes as 44 characters of base64url. @throws KEY_INVALID */
  static fromBase64url(text: string, suite: Suite = SECP256K1_SUITE): PublicKey {
    if (!/^[\w-]{44}$/.test(text)) throw new PreError('KEY_INVALID', 'a public key is 44 characters of base64url');
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
    return PublicKey.fromBytes(bytes, suite);
  }

  toBytes(): Uint8Array {
    return new Uint8Array(this.#point.bytes);
  }

  toBase64url(): string {
    return btoa(binaryString(this.#point.bytes)).replaceAll('+', '-').replaceAll('/', '_');
  }

  /** Computes what makes many encryptions to this key faster than few. */
  prepare(): void {
    this.suite.group.prepare(this.#point);
  }

  equals(other: PublicKey): boolean {
    return this.suite === other.suite && equal(this.#point.bytes, other.#point.bytes);
  }

  toJSON(): string {
    return this.toBase64url();
  }

  static {
    readPoint = (key) => {
      if (!(#point in key)) throw new PreError('KEY_INVALID', 'not a PublicKey');
      return key.#point;
    };
  }
}

/** The key as a curve point, inside the package only. */
export function pointOf(key: PublicKey): Point {
  return readPoint(key);
}

/** The key that a point is, inside the package only. */
export function publicKeyOf(suite: Suite, point: Point): PublicKey {
  return new PublicKey(INSIDE, suite, point);
}

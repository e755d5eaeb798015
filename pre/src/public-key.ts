import { binaryString, equal, exactly } from './bytes.ts';
import { decodePoint, group, POINT_BYTES } from './curve.ts';
import type { Point } from './group.ts';
import { INSIDE, requireInside } from './guard.ts';
import { PreError } from './pre-error.ts';

let readPoint: (key: PublicKey) => Point;

/** A secp256k1 public key, never the identity. */
export class PublicKey {
  readonly #point: Point;

  /** @internal */
  constructor(inside: typeof INSIDE, point: Point) {
    requireInside(inside);
    this.#point = point;
  }

  /** @param bytes 33 bytes, compressed SEC1. @throws KEY_INVALID */
  static fromBytes(bytes: Uint8Array): PublicKey {
    const own = exactly(bytes, POINT_BYTES, 'KEY_INVALID', 'a public key');
    return new PublicKey(INSIDE, decodePoint(own, 'KEY_INVALID'));
  }

  /** @param text the 33 bytes as 44 characters of base64url. @throws KEY_INVALID */
  static fromBase64url(text: string): PublicKey {
    if (!/^[\w-]{44}$/.test(text)) throw new PreError('KEY_INVALID', 'a public key is 44 characters of base64url');
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return PublicKey.fromBytes(Uint8Array.from(binary, (letter) => letter.charCodeAt(0)));
  }

  toBytes(): Uint8Array {
    return new Uint8Array(this.#point.bytes);
  }

  toBase64url(): string {
    return btoa(binaryString(this.#point.bytes)).replaceAll('+', '-').replaceAll('/', '_');
  }

  /** Computes what makes many encryptions to this key faster than few. */
  prepare(): void {
    group.prepare(this.#point);
  }

  equals(other: PublicKey): boolean {
    return equal(this.#point.bytes, other.#point.bytes);
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
export function publicKeyOf(point: Point): PublicKey {
  return new PublicKey(INSIDE, point);
}

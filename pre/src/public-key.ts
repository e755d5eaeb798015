import { equal, exactly } from './bytes.ts';
import type { Point } from './curve.ts';
import { decodePoint, POINT_BYTES } from './curve.ts';
import { INSIDE, requireInside } from './guard.ts';
import { PreError } from './pre-error.ts';

let readPoint: (key: PublicKey) => Point;

/** A secp256k1 public key, never the identity. */
export class PublicKey {
  readonly #point: Point;
  readonly #bytes: Uint8Array;

  /** @internal */
  constructor(inside: typeof INSIDE, point: Point, bytes: Uint8Array) {
    requireInside(inside);
    this.#point = point;
    this.#bytes = bytes;
  }

  /** @param bytes 33 bytes, compressed SEC1. @throws KEY_INVALID */
  static fromBytes(bytes: Uint8Array): PublicKey {
    const own = exactly(bytes, POINT_BYTES, 'KEY_INVALID', 'a public key');
    return new PublicKey(INSIDE, decodePoint(own, 'KEY_INVALID'), own);
  }

  /** @param text the 33 bytes as 44 characters of base64url. @throws KEY_INVALID */
  static fromBase64url(text: string): PublicKey {
    if (!/^[\w-]{44}$/.test(text)) throw new PreError('KEY_INVALID', 'a public key is 44 characters of base64url');
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return PublicKey.fromBytes(Uint8Array.from(binary, (letter) => letter.charCodeAt(0)));
  }

  toBytes(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }

  toBase64url(): string {
    return btoa(String.fromCharCode(...this.#bytes))
      .replaceAll('+', '-')
      .replaceAll('/', '_');
  }

  equals(other: PublicKey): boolean {
    return equal(this.#bytes, other.#bytes);
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

/** @throws KEY_INVALID on the identity */
export function publicKeyOf(point: Point): PublicKey {
  if (point.is0()) throw new PreError('KEY_INVALID', 'the identity is not a public key');
  return new PublicKey(INSIDE, point, point.toBytes());
}

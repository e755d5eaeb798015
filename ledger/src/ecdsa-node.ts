import { createPublicKey, verify } from 'node:crypto';
import type { EcdsaVerifier } from './ecdsa-noble.ts';

export type { EcdsaVerifier };

/** SubjectPublicKeyInfo of a P-256 key up to the 65 bytes of the point (RFC 5480). */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

/** The verifier of one P-256 key, by node:crypto. See `ecdsa-noble.ts`. */
export function ecdsaVerifier(publicKey: Uint8Array): EcdsaVerifier {
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  return (message, signature) => verify('sha256', message, key, signature);
}

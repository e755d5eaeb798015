import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { toLowS } from './signature.ts';

/** Signs SHA-256 of a message with ECDSA P-256; DER with low S, as Fabric demands. */
export type Sign = (message: Uint8Array) => Uint8Array;

/** The signer of a P-256 private key (PEM). */
export function createSigner(privateKey: string | KeyObject): Sign {
  const key = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey;
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new TypeError('Not a P-256 private key');
  return (message) => toLowS(sign('sha256', message, key));
}

import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { msp } from '@hyperledger/fabric-protos';
import type { Credential } from '../ca.ts';
import { createSigner, type Sign } from '../signer.ts';
import { EmbeddedError } from './errors.ts';

/** A key of the node: a peer that endorses, or the orderer. */
export class Signer {
  readonly mspId: string;
  /** PEM. */
  readonly certificate: string;
  /** `msp.SerializedIdentity` */
  readonly identity: Uint8Array;
  readonly #sign: Sign;

  /** @throws EmbeddedError CONFIG_INVALID when key and certificate do not belong together */
  constructor(mspId: string, { certificate, privateKey }: Credential) {
    this.mspId = mspId;
    this.certificate = certificate;
    this.identity = serializeIdentity(mspId, certificate);
    try {
      const key = createPrivateKey(privateKey);
      if (!createPublicKey(key).equals(new X509Certificate(certificate).publicKey)) throw new Error('other key');
      this.#sign = createSigner(key);
    } catch {
      throw new EmbeddedError('CONFIG_INVALID', `Certificate and private key of ${mspId} are no pair`);
    }
  }

  /** ECDSA over SHA-256, DER, low S. */
  sign(...message: readonly Uint8Array[]): Uint8Array {
    return this.#sign(Buffer.concat(message));
  }
}

function serializeIdentity(mspId: string, certificate: string): Uint8Array {
  const identity = new msp.SerializedIdentity();
  identity.setMspid(mspId);
  identity.setIdBytes(Buffer.from(certificate));
  return identity.serializeBinary();
}

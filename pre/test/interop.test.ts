import * as peer from '@nucypher/umbral-pre';
import { describe, expect, test } from 'vitest';
import {
  Capsule,
  CapsuleFrag,
  decryptOriginal,
  decryptReencrypted,
  encrypt,
  generateKfrags,
  KeyFrag,
  PublicKey,
  type Rng,
  reencrypt,
  SecretKey,
  Signer,
  verifySignature,
} from '../src/index.ts';
import { seeded } from './fixtures.ts';

/** So many random cases are run, each by its number and this seed: `INTEROP_CASES=5000 INTEROP_SEED=x` runs others. */
const CASES = Number(process.env['INTEROP_CASES'] ?? 64);
const SEED = process.env['INTEROP_SEED'] ?? 'interop';

interface Grant {
  readonly owner: Uint8Array;
  readonly receiver: Uint8Array;
  readonly signer: Uint8Array;
  readonly threshold: number;
  readonly shares: number;
  readonly signDelegatingKey: boolean;
  readonly signReceivingKey: boolean;
}

/** An implementation that knows secret keys as 32 bytes and everything else in the form in which it is sent. */
interface Implementation {
  publicKey(secret: Uint8Array): Uint8Array;
  sign(secret: Uint8Array, message: Uint8Array): Uint8Array;
  verifies(secret: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  encrypt(owner: Uint8Array, message: Uint8Array): { readonly capsule: Uint8Array; readonly ciphertext: Uint8Array };
  openOriginal(owner: Uint8Array, capsule: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  kfrags(grant: Grant): Uint8Array[];
  reencrypt(grant: Grant, capsule: Uint8Array, kfrag: Uint8Array): Uint8Array;
  open(grant: Grant, capsule: Uint8Array, cfrags: readonly Uint8Array[], ciphertext: Uint8Array): Uint8Array;
}

const here = (rng: Rng): Implementation => {
  const publicKey = (secret: Uint8Array) => SecretKey.fromBytes(secret).publicKey();
  const keysOf = ({ owner, receiver, signer }: Grant) => ({
    verifyingKey: publicKey(signer),
    delegatingKey: publicKey(owner),
    receivingKey: publicKey(receiver),
  });
  return {
    publicKey: (secret) => publicKey(secret).toBytes(),
    sign: (secret, message) => new Signer(SecretKey.fromBytes(secret)).sign(message, rng),
    verifies: (secret, message, signature) => verifySignature(publicKey(secret), message, signature),
    encrypt(owner, message) {
      const { capsule, ciphertext } = encrypt(publicKey(owner), message, rng);
      return { capsule: capsule.toMessagePack(), ciphertext };
    },
    openOriginal: (owner, capsule, ciphertext) =>
      decryptOriginal(SecretKey.fromBytes(owner), Capsule.fromMessagePack(capsule), ciphertext),
    kfrags: (grant) =>
      generateKfrags(
        {
          ...grant,
          delegatingKey: SecretKey.fromBytes(grant.owner),
          receivingKey: publicKey(grant.receiver),
          signer: new Signer(SecretKey.fromBytes(grant.signer)),
        },
        rng,
      ).map((kfrag) => kfrag.toBytes()),
    reencrypt: (grant, capsule, kfrag) =>
      reencrypt(Capsule.fromMessagePack(capsule), KeyFrag.fromBytes(kfrag).verify(keysOf(grant)), rng).toMessagePack(),
    open(grant, packed, cfrags, ciphertext) {
      const capsule = Capsule.fromMessagePack(packed);
      const keys = keysOf(grant);
      return decryptReencrypted({
        receivingKey: SecretKey.fromBytes(grant.receiver),
        delegatingKey: keys.delegatingKey,
        capsule,
        cfrags: cfrags.map((cfrag) => CapsuleFrag.fromMessagePack(cfrag).verify(capsule, keys)),
        ciphertext,
      });
    },
  };
};

const secretKey = (bytes: Uint8Array) => peer.SecretKey.fromBEBytes(bytes);
const publicKey = (secret: Uint8Array) => secretKey(secret).publicKey();

/** The WASM build of umbral-pre 0.10.0. */
const there: Implementation = {
  publicKey: (secret) => publicKey(secret).toCompressedBytes(),
  sign: (secret, message) => new peer.Signer(secretKey(secret)).sign(message).toBEBytes(),
  verifies: (secret, message, signature) => peer.Signature.fromBEBytes(signature).verify(publicKey(secret), message),
  encrypt(owner, message) {
    const [capsule, ciphertext] = peer.encrypt(publicKey(owner), message);
    return { capsule: capsule.toBytes(), ciphertext };
  },
  openOriginal: (owner, capsule, ciphertext) =>
    peer.decryptOriginal(secretKey(owner), peer.Capsule.fromBytes(capsule), ciphertext),
  kfrags: ({ owner, receiver, signer, threshold, shares, signDelegatingKey, signReceivingKey }) =>
    peer
      .generateKFrags(
        secretKey(owner),
        publicKey(receiver),
        new peer.Signer(secretKey(signer)),
        threshold,
        shares,
        signDelegatingKey,
        signReceivingKey,
      )
      .map((kfrag) => kfrag.toBytes()),
  reencrypt({ owner, receiver, signer, signDelegatingKey, signReceivingKey }, capsule, kfrag) {
    const verified = peer.KeyFrag.fromBytes(kfrag).verify(
      publicKey(signer),
      signDelegatingKey ? publicKey(owner) : null,
      signReceivingKey ? publicKey(receiver) : null,
    );
    return peer.reencrypt(peer.Capsule.fromBytes(capsule), verified).toBytes();
  },
  open({ owner, receiver, signer }, packed, cfrags, ciphertext) {
    const capsule = peer.Capsule.fromBytes(packed);
    const verified = cfrags.map((cfrag) =>
      peer.CapsuleFrag.fromBytes(cfrag).verify(capsule, publicKey(signer), publicKey(owner), publicKey(receiver)),
    );
    return peer.decryptReencrypted(secretKey(receiver), publicKey(owner), capsule, verified, ciphertext);
  },
};

describe('with the WASM build of umbral-pre 0.10.0', () => {
  test(`whoever does which step, the message comes through (${CASES} cases, seed ${SEED})`, {
    timeout: 20_000 + CASES * 500,
  }, () => {
    for (let number = 0; number < CASES; number++) {
      const rng = seeded(`${SEED} ${number}`);
      const ours = here(rng);
      const [bits = 0, sizes = 0, length = 0] = rng(3);
      // Every combination of who does what and of flags comes up in turn: 64 of them.
      const [encrypts, delegates, reencrypts, opens] = [0, 1, 2, 3].map((at) =>
        (number >> at) & 1 ? ours : there,
      ) as [Implementation, Implementation, Implementation, Implementation];
      const shares = 1 + (sizes % 5);
      const threshold = 1 + ((sizes >> 4) % shares);
      const grant = {
        owner: SecretKey.random(rng).toBytes(),
        receiver: SecretKey.random(rng).toBytes(),
        signer: SecretKey.random(rng).toBytes(),
        threshold,
        shares,
        signDelegatingKey: ((number >> 4) & 1) === 1,
        signReceivingKey: ((number >> 5) & 1) === 1,
      };
      const message = rng(length);
      const { capsule, ciphertext } = encrypts.encrypt(grant.owner, message);
      expect(opens.openOriginal(grant.owner, capsule, ciphertext)).toEqual(message);
      const kfrags = delegates.kfrags(grant);
      const first = bits % (shares - threshold + 1);
      const used = kfrags.slice(first, first + threshold);
      const cfrags = used.map((kfrag) => reencrypts.reencrypt(grant, capsule, kfrag));
      expect(opens.open(grant, capsule, cfrags.reverse(), ciphertext), `case ${number}`).toEqual(message);
    }
  });

  test('public keys and signatures are the same objects here and there', () => {
    const rng = seeded(`${SEED} signatures`);
    const ours = here(rng);
    for (let number = 0; number < CASES; number++) {
      const [secret, message] = [SecretKey.random(rng).toBytes(), rng(number)];
      expect(PublicKey.fromBytes(there.publicKey(secret)).toBytes()).toEqual(ours.publicKey(secret));
      expect(there.verifies(secret, message, ours.sign(secret, message))).toBe(true);
      expect(ours.verifies(secret, message, there.sign(secret, message))).toBe(true);
      const other = Uint8Array.of(...message, 0);
      expect(there.verifies(secret, other, ours.sign(secret, message))).toBe(false);
    }
  });
});

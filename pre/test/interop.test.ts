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
  reencrypt,
  verifySignature,
} from '../src/index.ts';
import { alice, bob, keys, seeded, signer, signingKey, text } from './fixtures.ts';

const message = new TextEncoder().encode('carried across');
const rng = seeded('interop');

const peerAlice = peer.SecretKey.fromBEBytes(alice.toBytes());
const peerBob = peer.SecretKey.fromBEBytes(bob.toBytes());
const peerSigner = new peer.Signer(peer.SecretKey.fromBEBytes(signingKey.toBytes()));
const flags = [true, false].flatMap((delegating) => [true, false].map((receiving) => [delegating, receiving] as const));

describe('with the WASM build of umbral-pre 0.10.0', () => {
  test('the owner opens there what was encrypted here, and here what was encrypted there', () => {
    const { capsule, ciphertext } = encrypt(keys.delegatingKey, message, rng);
    const there = peer.decryptOriginal(peerAlice, peer.Capsule.fromBytes(capsule.toMessagePack()), ciphertext);
    expect(text(there)).toBe('carried across');

    const [peerCapsule, peerCiphertext] = peer.encrypt(peerAlice.publicKey(), message);
    const here = decryptOriginal(alice, Capsule.fromMessagePack(peerCapsule.toBytes()), peerCiphertext);
    expect(text(here)).toBe('carried across');
  });

  test('a signature made here verifies there, and one made there verifies here', () => {
    const signature = peer.Signature.fromBEBytes(signer.sign(message, rng));
    expect(signature.verify(peerSigner.verifyingKey(), message)).toBe(true);
    expect(verifySignature(keys.verifyingKey, message, peerSigner.sign(message).toBEBytes())).toBe(true);
  });

  test.each(flags)('delegation here, proxy there, receiver here (signed keys: %s, %s)', (delegating, receiving) => {
    const { capsule, ciphertext } = encrypt(keys.delegatingKey, message, rng);
    const kfrags = generateKfrags(
      {
        delegatingKey: alice,
        receivingKey: keys.receivingKey,
        signer,
        threshold: 2,
        shares: 2,
        signDelegatingKey: delegating,
        signReceivingKey: receiving,
      },
      rng,
    );
    const cfrags = kfrags.map((kfrag) => {
      const verified = peer.KeyFrag.fromBytes(kfrag.toBytes()).verify(
        peerSigner.verifyingKey(),
        delegating ? peerAlice.publicKey() : null,
        receiving ? peerBob.publicKey() : null,
      );
      const peerCapsule = peer.Capsule.fromBytes(capsule.toMessagePack());
      const cfrag = CapsuleFrag.fromMessagePack(peer.reencrypt(peerCapsule, verified).toBytes());
      return cfrag.verify(capsule, keys);
    });
    const opened = decryptReencrypted({
      receivingKey: bob,
      delegatingKey: keys.delegatingKey,
      capsule,
      cfrags,
      ciphertext,
    });
    expect(text(opened)).toBe('carried across');
  });

  test.each(flags)('delegation there, proxy here, receiver there (signed keys: %s, %s)', (delegating, receiving) => {
    const [peerCapsule, ciphertext] = peer.encrypt(peerAlice.publicKey(), message);
    const capsule = Capsule.fromBytes(peerCapsule.toBytesSimple());
    const peerKfrags = peer.generateKFrags(peerAlice, peerBob.publicKey(), peerSigner, 2, 2, delegating, receiving);
    const cfrags = peerKfrags.map((peerKfrag) => {
      const kfrag = KeyFrag.fromBytes(peerKfrag.toBytes());
      const { delegatingKey, receivingKey, verifyingKey } = keys;
      const asSigned = { ...(delegating && { delegatingKey }), ...(receiving && { receivingKey }) };
      expect(kfrag.verify({ verifyingKey, ...asSigned }).toBytes()).toEqual(peerKfrag.toBytes());
      const packed = reencrypt(capsule, kfrag.verify(keys), rng).toMessagePack();
      return peer.CapsuleFrag.fromBytes(packed).verify(
        peerCapsule,
        peerSigner.verifyingKey(),
        peerAlice.publicKey(),
        peerBob.publicKey(),
      );
    });
    const opened = peer.decryptReencrypted(peerBob, peerAlice.publicKey(), peerCapsule, cfrags, ciphertext);
    expect(text(opened)).toBe('carried across');
  });
});

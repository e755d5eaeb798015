import * as peer from '@nucypher/umbral-pre';
import { check, MESSAGE, type Operations, SHARES, THRESHOLD } from './pre-operations.ts';

/** The same operations by umbral-pre's WebAssembly, which consumes what it verifies and knows no batches. */
export function peerOperations(): Operations {
  const owner = peer.SecretKey.random();
  const receiver = peer.SecretKey.random();
  const signer = new peer.Signer(peer.SecretKey.random());
  const [verifying, delegating, receiving] = [signer.verifyingKey(), owner.publicKey(), receiver.publicKey()];
  const generate = () => peer.generateKFrags(owner, receiving, signer, THRESHOLD, SHARES, true, true);
  const kfrags = generate().slice(0, THRESHOLD);
  const [kfrag] = kfrags as [peer.VerifiedKeyFrag];
  const kfragBytes = kfrag.toBytes();
  const [capsule, ciphertext] = peer.encrypt(delegating, MESSAGE);
  const capsuleBytes = capsule.toBytes();
  const cfrags = kfrags.map((share) => peer.reencrypt(capsule, share).toBytes());
  const [cfrag] = cfrags as [Uint8Array];
  const verify = (of: peer.Capsule, bytes: Uint8Array) =>
    peer.CapsuleFrag.fromBytes(bytes).verify(of, verifying, delegating, receiving);
  const freshKeys = Array.from({ length: 64 }, () => peer.SecretKey.random().publicKey().toCompressedBytes());
  const verified = cfrags.map((bytes) => verify(capsule, bytes));
  let next = 0;
  const encrypt = { run: () => peer.encrypt(delegating, MESSAGE) };
  const verifyCfrag = { run: () => verify(capsule, cfrag) };
  const open = { run: () => check(peer.decryptReencrypted(receiver, delegating, capsule, verified, ciphertext)) };
  const reencrypt = { run: () => peer.reencrypt(capsule, kfrag) };
  const verifyAndOpen = {
    run() {
      const fragments = cfrags.map((bytes) => verify(capsule, bytes));
      check(peer.decryptReencrypted(receiver, delegating, capsule, fragments, ciphertext));
    },
  };
  const receive = {
    run() {
      const received = peer.Capsule.fromBytes(capsuleBytes);
      const fragments = cfrags.map((bytes) => verify(received, bytes));
      check(peer.decryptReencrypted(receiver, delegating, received, fragments, ciphertext));
    },
  };
  return {
    'encrypt, known key': encrypt,
    'encrypt, fresh key': {
      run: () =>
        peer.encrypt(peer.PublicKey.fromCompressedBytes(freshKeys[next++ % freshKeys.length] as Uint8Array), MESSAGE),
    },
    'open by the owner': { run: () => check(peer.decryptOriginal(owner, capsule, ciphertext)) },
    'generate kfrags, 2 of 3': { run: generate },
    'parse and verify kfrag': {
      run: () => peer.KeyFrag.fromBytes(kfragBytes).verify(verifying, delegating, receiving),
    },
    'parse capsule': { run: () => peer.Capsule.fromBytes(capsuleBytes) },
    reencrypt,
    'parse and verify cfrag': verifyCfrag,
    'cfrags of 16 capsules at once, each': verifyCfrag,
    'open re-encrypted': open,
    'open re-encrypted, cached grant': open,
    'proxy flow, bytes to bytes': { run: () => peer.reencrypt(peer.Capsule.fromBytes(capsuleBytes), kfrag).toBytes() },
    'receiver flow, bytes to plaintext': receive,
    'receiver flow, cached grant': receive,
    'reencrypt 16 at once, each': reencrypt,
    'open 16 at once, each': verifyAndOpen,
    'reencrypt 200 at once, each': reencrypt,
    'open 200 at once, each': verifyAndOpen,
    'reencrypt 200 in threads, each': reencrypt,
    'open 200 in threads, each': verifyAndOpen,
  };
}

import type * as Pre from '@yilian/pre';

/** What is timed: `run` does the operation once and throws if its result is wrong. `per` of them are done in one run. */
interface Operation {
  readonly run: () => unknown;
  readonly per?: number;
}

export type Operations = Readonly<Record<string, Operation>>;

export const THRESHOLD = 2;
export const SHARES = 3;
export const MESSAGE = new Uint8Array(32).fill(7);
const HISTORY = 16;

/** Every operation of the package, on a grant of 2 of 3 and a message of 32 bytes. */
export function preOperations(pre: typeof Pre): Operations {
  const owner = pre.SecretKey.random();
  const receiver = pre.SecretKey.random();
  const signer = new pre.Signer(pre.SecretKey.random());
  const keys = {
    verifyingKey: signer.verifyingKey(),
    delegatingKey: owner.publicKey(),
    receivingKey: receiver.publicKey(),
  };
  const delegation = {
    delegatingKey: owner,
    receivingKey: keys.receivingKey,
    signer,
    threshold: THRESHOLD,
    shares: SHARES,
  };
  const known = pre.PublicKey.fromBytes(keys.delegatingKey.toBytes());
  known.prepare();
  const freshKeys = Array.from({ length: 64 }, () => pre.SecretKey.random().publicKey().toBytes());
  const kfrags = pre.generateKfrags(delegation).slice(0, THRESHOLD);
  const [kfrag] = kfrags as [Pre.VerifiedKeyFrag];
  const kfragBytes = kfrag.toBytes();
  const history = Array.from({ length: HISTORY }, () => {
    const { capsule, ciphertext } = pre.encrypt(known, MESSAGE);
    const cfrags = kfrags.map((share) => pre.reencrypt(capsule, share).toBytes());
    return { capsule, capsuleBytes: capsule.toBytes(), ciphertext, cfrags };
  });
  const [{ capsule, capsuleBytes, ciphertext, cfrags }] = history as [(typeof history)[number]];
  const verified = cfrags.map((bytes) => pre.CapsuleFrag.fromBytes(bytes).verify(capsule, keys));
  const opening = { receivingKey: receiver, delegatingKey: keys.delegatingKey, ciphertext };
  const cache = new pre.ReceiverCache();
  const receive = (kept?: Pre.ReceiverCache) => {
    const received = pre.Capsule.fromBytes(capsuleBytes);
    const checks = cfrags.map((bytes) => ({ capsule: received, cfrag: pre.CapsuleFrag.fromBytes(bytes) }));
    const fragments = pre.CapsuleFrag.verifyAll(checks, keys, kept) as Pre.VerifiedCapsuleFrag[];
    return pre.decryptReencrypted({ ...opening, capsule: received, cfrags: fragments, ...(kept && { cache: kept }) });
  };
  let next = 0;
  return {
    'encrypt, known key': { run: () => pre.encrypt(known, MESSAGE) },
    'encrypt, fresh key': {
      run: () => pre.encrypt(pre.PublicKey.fromBytes(freshKeys[next++ % freshKeys.length] as Uint8Array), MESSAGE),
    },
    'open by the owner': { run: () => check(pre.decryptOriginal(owner, capsule, ciphertext)) },
    'generate kfrags, 2 of 3': { run: () => pre.generateKfrags(delegation) },
    'parse and verify kfrag': { run: () => pre.KeyFrag.fromBytes(kfragBytes).verify(keys) },
    'parse capsule': { run: () => pre.Capsule.fromBytes(capsuleBytes) },
    reencrypt: { run: () => pre.reencrypt(capsule, kfrag) },
    'parse and verify cfrag': {
      run: () => pre.CapsuleFrag.fromBytes(cfrags[0] as Uint8Array).verify(capsule, keys),
    },
    'cfrags of 16 capsules at once, each': {
      per: HISTORY * THRESHOLD,
      run() {
        const checks = history.flatMap((record) =>
          record.cfrags.map((bytes) => ({ capsule: record.capsule, cfrag: pre.CapsuleFrag.fromBytes(bytes) })),
        );
        for (const verdict of pre.CapsuleFrag.verifyAll(checks, keys)) if (verdict instanceof Error) throw verdict;
      },
    },
    'open re-encrypted': { run: () => check(pre.decryptReencrypted({ ...opening, capsule, cfrags: verified })) },
    'open re-encrypted, cached grant': {
      run: () => check(pre.decryptReencrypted({ ...opening, capsule, cfrags: verified, cache })),
    },
    'proxy flow, bytes to bytes': { run: () => pre.reencrypt(pre.Capsule.fromBytes(capsuleBytes), kfrag).toBytes() },
    'receiver flow, bytes to plaintext': { run: () => check(receive()) },
    'receiver flow, cached grant': { run: () => check(receive(cache)) },
  };
}

export function check(plaintext: Uint8Array): void {
  if (plaintext.length !== MESSAGE.length || plaintext.some((byte, at) => byte !== MESSAGE[at]))
    throw new Error('the plaintext came out wrong');
}

/** Microseconds that one operation takes, over so many as fit into the milliseconds. */
export async function timed(operations: Operations, name: string, sliceMs: number): Promise<number> {
  const { run, per = 1 } = operations[name] as Operation;
  const start = performance.now();
  let runs = 0;
  let elapsed = 0;
  for (; elapsed < sliceMs; elapsed = performance.now() - start) {
    await run();
    runs += 1;
  }
  return (elapsed * 1000) / (runs * per);
}

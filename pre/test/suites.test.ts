/** Every object of every suite, in every other: each is refused. */
import { describe, expect, test } from 'vitest';
import { nobleSecp256k1 } from '../src/group-noble.ts';
import { wasmGroup } from '../src/group-wasm.ts';
import type { Delegation, Suite, VerifiedCapsuleFrag, VerifiedKeyFrag } from '../src/index.ts';
import {
  Capsule,
  CapsuleFrag,
  commitment,
  context,
  decapsulateOriginal,
  decapsulateReencrypted,
  encapsulate,
  encrypt,
  generateKfrags,
  headerCapsule,
  KeyFrag,
  newContentSecret,
  openBody,
  openBodyRange,
  openHeader,
  openHeaderAsOwner,
  openSealed,
  PatientKeys,
  PublicKey,
  ReceiverCache,
  reencrypt,
  resumeBody,
  SECP256K1_SUITE,
  SecretKey,
  Signer,
  sealBody,
  sealHeader,
  sealTo,
  verifySignature,
} from '../src/index.ts';
import { sm2Group } from '../src/sm/group-sm2.ts';
import { EXPERIMENTAL_UMBRAL_SM2, openWrappedHeader, SM_SUITE, sealWrappedHeader } from '../src/sm/index.ts';
import { asyncOutcome, castOf, collect, outcome, seeded, spliced, UMBRAL_SUITES } from './fixtures.ts';

const SUITES = [SECP256K1_SUITE, SM_SUITE, EXPERIMENTAL_UMBRAL_SM2];
const rng = seeded('suites');
const about = context('record', 'r-1');
const secret = newContentSecret(rng);
const plaintext = rng(5000);

const pairs = (suites: readonly Suite[]) =>
  suites.flatMap((one) => suites.filter((other) => other !== one).map((other) => ({ one, other })));

/** The same secret bytes as keys of two suites: not even then does anything pass. */
const inSuite = (key: SecretKey, suite: Suite) => SecretKey.fromBytes(key.toBytes(), suite);
const relabelled = (object: Uint8Array, suite: Suite) => spliced(object, 5, Uint8Array.of(suite.id));

test('every suite has a name and a number of its own', () => {
  expect(SUITES.map(({ name, id }) => [name, id])).toEqual([
    ['umbral-secp256k1-v1', 1],
    ['sm2-sm3-sm4-v1', 2],
    ['experimental-umbral-sm2-v1', 3],
  ]);
});

describe.each(pairs(SUITES))('an object of $one.name in $other.name:', ({ one, other }) => {
  const owner = SecretKey.random(rng, one);
  const foreign = inSuite(owner, other);

  test('a sealed message, as it is and with its suite exchanged', () => {
    const sealed = sealTo(owner.publicKey(), plaintext, about, rng);
    expect(openSealed(owner, sealed, about)).toEqual(plaintext);
    expect(outcome(() => openSealed(foreign, sealed, about))).toBe('SUITE_UNSUPPORTED');
    expect(outcome(() => openSealed(foreign, relabelled(sealed, other), about))).toBe('SEALED_INVALID');
    expect(outcome(() => openSealed(owner, relabelled(sealed, other), about))).toBe('SUITE_UNSUPPORTED');
  });

  test('a sealed body, whole, in part, or to go on with', async () => {
    const sealed = await collect(sealBody(secret.key, [plaintext], { chunkSize: 4096, rng, suite: one }));
    const waysToRead = (bytes: Uint8Array, suite: Suite) => {
      const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
      const source = (offset: number) => [plaintext.subarray(offset)];
      return [
        () => collect(openBody(secret.key, [bytes], { suite })),
        () => collect(openBodyRange(secret.key, read, bytes.length, { start: 0, end: 9 }, { suite })),
        () => collect(resumeBody(secret.key, read, bytes.length, source, { suite })),
      ];
    };
    for (const act of waysToRead(sealed, one)) expect(await asyncOutcome(act)).toBe('success');
    for (const act of waysToRead(sealed, other)) expect(await asyncOutcome(act)).toBe('SUITE_UNSUPPORTED');
    for (const act of waysToRead(relabelled(sealed, other), other))
      expect(await asyncOutcome(act)).toBe('BODY_INVALID');
  });

  test('a signature', () => {
    const signature = new Signer(owner).sign(plaintext, rng);
    expect(verifySignature(owner.publicKey(), plaintext, signature)).toBe(true);
    expect(verifySignature(foreign.publicKey(), plaintext, signature)).toBe(false);
  });

  test('a key', () => {
    expect(owner.publicKey().equals(inSuite(owner, one).publicKey())).toBe(true);
    expect(owner.publicKey().equals(foreign.publicKey())).toBe(false);
    const [master, label] = [rng(32), { region: 'hubei', scope: 'imaging', epoch: 1 }];
    const [mine, theirs] = [one, other].map((suite) => PatientKeys.fromMaster(master, 'cn', suite));
    expect(mine?.scopeKey(label).toBytes()).not.toEqual(theirs?.scopeKey(label).toBytes());
    expect(mine?.signer().verifyingKey().suite).toBe(one);
  });
});

test('suites of two curves commit to one plaintext in two ways', () => {
  const hash = rng(32);
  expect(commitment(secret.salt, hash)).toEqual(commitment(secret.salt, hash, SECP256K1_SUITE));
  expect(commitment(secret.salt, hash, SM_SUITE)).not.toEqual(commitment(secret.salt, hash));
});

describe.each(pairs(UMBRAL_SUITES))('an object of Umbral in $one.name, in $other.name:', ({ one, other }) => {
  const { alice, bob, signer, keys, delegated } = castOf(one);
  const { capsule, kfrags, cfrags } = delegated(1, 1, rng);
  const [kfrag, cfrag] = [kfrags[0] as VerifiedKeyFrag, cfrags[0] as VerifiedCapsuleFrag];
  const there = castOf(other);
  const made = there.delegated(1, 1, rng);
  const foreignKeys = Object.entries(there.keys).map(([name, key]) => ({ ...keys, [name]: key }));

  test('a capsule', () => {
    expect(outcome(() => Capsule.fromBytes(capsule.toBytes(), other))).toBe('CAPSULE_INVALID');
    expect(outcome(() => Capsule.fromMessagePack(capsule.toMessagePack(), other))).toBe('CAPSULE_INVALID');
    expect(outcome(() => decapsulateOriginal(inSuite(alice, other), capsule))).toBe('SUITE_UNSUPPORTED');
  });

  test('a key header, as it is, with its suite and with its size exchanged', () => {
    const header = sealHeader(keys.delegatingKey, secret, about, rng);
    const foreign = inSuite(alice, other);
    const opening = { context: about, cfrags: [], delegatingKey: foreign.publicKey(), receivingKey: there.bob };
    const resized = new Uint8Array(168 + other.message.tagBytes);
    resized.set(relabelled(header, other).subarray(0, resized.length));
    expect(openHeaderAsOwner(alice, header, about)).toEqual(secret);
    for (const [bytes, code] of [
      [header, 'SUITE_UNSUPPORTED'],
      [relabelled(header, other), 'HEADER_INVALID'],
      [resized, 'CAPSULE_INVALID'],
    ] as const) {
      expect(outcome(() => headerCapsule(bytes, other))).toBe(code);
      expect(outcome(() => openHeaderAsOwner(foreign, bytes, about))).toBe(code);
      expect(outcome(() => openHeader({ ...opening, header: bytes }))).toBe(code);
    }
    expect(outcome(() => headerCapsule(relabelled(header, other), one))).toBe('SUITE_UNSUPPORTED');
  });

  test('a key fragment, and one whose u was exchanged', () => {
    const bytes = kfrag.toBytes();
    expect(outcome(() => KeyFrag.fromBytes(bytes, other))).toBe('KFRAG_INVALID');
    const exchanged = spliced(bytes, 4, made.kfrags[0]?.toBytes().subarray(4, 37) ?? new Uint8Array());
    expect(outcome(() => KeyFrag.fromBytes(exchanged, other).verify(there.keys))).toBe('KFRAG_INVALID');
    for (const mixed of foreignKeys)
      expect(outcome(() => KeyFrag.fromBytes(bytes, one).verify(mixed))).toBe('SUITE_UNSUPPORTED');
  });

  test('a capsule fragment', () => {
    const bytes = cfrag.toBytes();
    const read = () => CapsuleFrag.fromBytes(bytes, other).verify(made.capsule, there.keys);
    expect(outcome(read)).toMatch(/^(CFRAG|SIGNATURE)_INVALID$/);
    const own = CapsuleFrag.fromBytes(bytes, one);
    expect(outcome(() => own.verify(capsule, keys))).toBe('success');
    expect(outcome(() => own.verify(made.capsule, keys))).toBe('SUITE_UNSUPPORTED');
    expect(outcome(() => own.verify(made.capsule, there.keys))).toBe('SUITE_UNSUPPORTED');
    for (const mixed of foreignKeys) expect(outcome(() => own.verify(capsule, mixed))).toBe('SUITE_UNSUPPORTED');
  });

  test('anything handed to an operation on the other', () => {
    const delegation: Delegation = {
      delegatingKey: alice,
      receivingKey: keys.receivingKey,
      signer,
      threshold: 1,
      shares: 1,
    };
    const opening = { receivingKey: bob, delegatingKey: keys.delegatingKey, capsule, cfrags };
    for (const act of [
      () => generateKfrags({ ...delegation, delegatingKey: there.alice }),
      () => generateKfrags({ ...delegation, receivingKey: there.keys.receivingKey }),
      () => generateKfrags({ ...delegation, signer: there.signer }),
      () => reencrypt(made.capsule, kfrag),
      () => reencrypt(capsule, made.kfrags[0] as VerifiedKeyFrag),
      () => decapsulateReencrypted({ ...opening, receivingKey: there.bob }),
      () => decapsulateReencrypted({ ...opening, delegatingKey: there.keys.delegatingKey }),
      () => decapsulateReencrypted({ ...opening, capsule: made.capsule }),
      () => decapsulateReencrypted({ ...opening, cfrags: made.cfrags }),
    ]) {
      expect(outcome(act)).toBe('SUITE_UNSUPPORTED');
    }
  });

  test('what a receiver keeps: equal bytes of the two are two keys', () => {
    const candidates = Array.from({ length: 40 }, () => SecretKey.random(rng, one));
    const read = (key: SecretKey) => PublicKey.fromBytes(key.publicKey().toBytes(), other);
    const key = candidates.find((candidate) => outcome(() => read(candidate)) === 'success');
    if (!key) throw new Error('a point of both curves expected');
    const signature = new Signer(key).sign(plaintext, rng);
    using cache = new ReceiverCache();
    expect(cache.isSigned(key.publicKey(), plaintext, signature)).toBe(true);
    expect(cache.isSigned(read(key), plaintext, signature)).toBe(false);
  });
});

describe('suite 2', () => {
  const owner = SecretKey.random(rng, SM_SUITE);
  const { delegated, signer, alice } = castOf(EXPERIMENTAL_UMBRAL_SM2);
  const { capsule, kfrags, cfrags } = delegated(1, 1, rng);

  test('has no proxy re-encryption', () => {
    const delegation = { delegatingKey: owner, receivingKey: owner.publicKey(), threshold: 1, shares: 1 };
    for (const act of [
      () => encapsulate(owner.publicKey()),
      () => encrypt(owner.publicKey(), plaintext),
      () => sealHeader(owner.publicKey(), secret, about),
      () => generateKfrags({ ...delegation, signer: new Signer(SecretKey.random(rng, SM_SUITE)) }),
      () => Capsule.fromBytes(capsule.toBytes(), SM_SUITE),
      () => Capsule.fromMessagePack(capsule.toMessagePack(), SM_SUITE),
      () => KeyFrag.fromBytes(kfrags[0]?.toBytes() as Uint8Array, SM_SUITE),
      () => CapsuleFrag.fromBytes(cfrags[0]?.toBytes() as Uint8Array, SM_SUITE),
      () => CapsuleFrag.fromMessagePack(cfrags[0]?.toMessagePack() as Uint8Array, SM_SUITE),
    ]) {
      expect(outcome(act)).toBe('SUITE_UNSUPPORTED');
    }
  });

  test('takes nothing of the experiment: neither its keys nor its headers', () => {
    const header = sealHeader(alice.publicKey(), secret, about, rng);
    const same = inSuite(alice, SM_SUITE);
    expect(outcome(() => openHeaderAsOwner(same, header, about))).toBe('SUITE_UNSUPPORTED');
    expect(outcome(() => openHeaderAsOwner(same, relabelled(header, SM_SUITE), about))).toBe('SUITE_UNSUPPORTED');
    expect(outcome(() => decapsulateOriginal(same, capsule))).toBe('SUITE_UNSUPPORTED');
    const delegation = { delegatingKey: alice, receivingKey: owner.publicKey(), signer, threshold: 1, shares: 1 };
    expect(outcome(() => generateKfrags(delegation))).toBe('SUITE_UNSUPPORTED');
  });

  test('alone seals and opens wrapped headers', () => {
    const header = sealWrappedHeader(owner.publicKey(), secret, about, rng);
    for (const suite of [SECP256K1_SUITE, EXPERIMENTAL_UMBRAL_SM2]) {
      const foreign = inSuite(owner, suite);
      expect(outcome(() => sealWrappedHeader(foreign.publicKey(), secret, about))).toBe('SUITE_UNSUPPORTED');
      expect(outcome(() => openWrappedHeader(foreign, header, about))).toBe('SUITE_UNSUPPORTED');
      expect(outcome(() => openWrappedHeader(owner, relabelled(header, suite), about))).toBe('SUITE_UNSUPPORTED');
    }
  });
});

describe('a point of another curve', () => {
  const nobleGroup = nobleSecp256k1();
  const kernel = wasmGroup();
  const groups = [nobleGroup, ...(kernel ? [kernel] : []), sm2Group];

  test.each(groups)('is refused by every operation of $implementation on $generator.curve', (group) => {
    const one = new Uint8Array(32).fill(1, 31);
    const { generator: foreign } = group === sm2Group ? nobleGroup : sm2Group;
    for (const act of [
      () => group.add(group.generator, foreign),
      () => group.multiply([{ scalar: one, point: foreign }]),
      () => group.combine([{ scalar: one, point: foreign }]),
      () => group.vanishes([{ scalar: one, point: foreign }]),
      () => {
        group.prepare(foreign);
        group.multiply([{ scalar: one, point: foreign }]);
      },
    ]) {
      expect(outcome(act)).toBe('SUITE_UNSUPPORTED');
    }
  });

  test.each(SUITES)('is no key to verify with in $name', (suite) => {
    const { generator } = suite === SECP256K1_SUITE ? sm2Group : nobleGroup;
    expect(outcome(() => suite.verify(plaintext, new Uint8Array(64).fill(1), generator))).toBe('SUITE_UNSUPPORTED');
  });
});

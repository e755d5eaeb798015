import { describe, expect, test } from 'vitest';
import {
  type CapsuleWithCfrags,
  type Decapsulated,
  decapsulateAll,
  encapsulate,
  generateKfrags,
  PreError,
  ReceiverCache,
  reencrypt,
  reencryptAll,
  SecretKey,
  type VerifiedKeyFrag,
} from '../src/index.ts';
import { alice, bob, eve, flipped, keys, outcome, seeded, signer, spliced } from './fixtures.ts';

const rng = seeded('batch');
const delegation = { delegatingKey: alice, receivingKey: keys.receivingKey, signer };
const kfrags = generateKfrags({ ...delegation, threshold: 2, shares: 3 }, rng);
const [first] = kfrags as [VerifiedKeyFrag];
const history = Array.from({ length: 14 }, () => encapsulate(keys.delegatingKey, rng));
const capsules = history.map(({ capsule }) => capsule);
const [capsule] = capsules as [(typeof capsules)[number]];
const receiver = { receivingKey: bob, delegatingKey: keys.delegatingKey, verifyingKey: keys.verifyingKey };

const sent = (shares: readonly VerifiedKeyFrag[]): CapsuleWithCfrags[] =>
  capsules.map((each) => ({ capsule: each, cfrags: shares.map((kfrag) => reencrypt(each, kfrag, rng).toBytes()) }));
const told = ({ key, faults }: Decapsulated) => [
  key instanceof PreError ? key.code : 'success',
  ...Array.from(faults, ([at, { code }]) => `${at} ${code}`).sort(),
];
const changed = (
  items: readonly CapsuleWithCfrags[],
  changes: Readonly<Record<number, (cfrags: Uint8Array[]) => unknown[]>>,
): CapsuleWithCfrags[] =>
  items.map((item, at) => ({ ...item, cfrags: (changes[at]?.([...item.cfrags]) ?? item.cfrags) as Uint8Array[] }));

describe('many capsules re-encrypted at once', () => {
  test.each([0, 1, 5, 6, 7, 14])('%i of them are what each alone becomes', (count) => {
    const some = capsules.slice(0, count);
    const [together, alone] = [seeded('the same'), seeded('the same')];
    expect(reencryptAll(some, first, together).map((cfrag) => cfrag.toBytes())).toEqual(
      some.map((each) => reencrypt(each, first, alone).toBytes()),
    );
  });

  test('are none with a fragment that was wiped, or from a source that repeats itself', () => {
    const [wiped] = generateKfrags({ ...delegation, threshold: 1, shares: 1 }, rng) as [VerifiedKeyFrag];
    wiped.wipe();
    expect(outcome(() => reencryptAll(capsules, wiped))).toBe('KFRAG_INVALID');
    expect(outcome(() => reencryptAll(capsules, first, () => new Uint8Array(3)))).toBe('RANDOM_INVALID');
  });
});

describe('many capsules opened at once', () => {
  test('give the keys that were put into them', () => {
    const opened = decapsulateAll({ ...receiver, items: sent(kfrags.slice(1)) });
    expect(opened.map(({ key }) => key)).toEqual(history.map(({ key }) => key));
    expect(opened.map(({ faults }) => faults.size)).toEqual(history.map(() => 0));
    expect(decapsulateAll({ ...receiver, items: [] })).toEqual([]);
  });

  test('name every bad fragment, open with those that remain and spoil no other', () => {
    const items = changed(sent(kfrags), {
      1: ([a, b, c]) => [a, flipped(b as Uint8Array, 70), c],
      2: ([, b, c]) => [new Uint8Array(3), b, c],
      3: ([a, b]) => [a, b, undefined],
      4: ([a, b, c]) => [spliced(a as Uint8Array, 263, new Uint8Array(32).fill(1)), b, c],
      5: ([a]) => [a],
      6: () => [],
      7: ([a, b]) => [flipped(a as Uint8Array, 70), b, b],
      8: ([a, b, c]) => [a, a, b, c],
    });
    items[9] = { ...(items[9] as CapsuleWithCfrags), cfrags: items[10]?.cfrags ?? [] };
    const opened = decapsulateAll({ ...receiver, items });
    expect(opened.map(told)).toEqual([
      ['success'],
      ['success', '1 SIGNATURE_INVALID'],
      ['success', '0 CFRAG_INVALID'],
      ['success', '2 CFRAG_INVALID'],
      ['success', '0 CFRAG_INVALID'],
      ['THRESHOLD'],
      ['THRESHOLD'],
      ['THRESHOLD', '0 SIGNATURE_INVALID', '2 CFRAG_INVALID'],
      ['success', '1 CFRAG_INVALID'],
      ['THRESHOLD', '0 CFRAG_INVALID', '1 CFRAG_INVALID', '2 CFRAG_INVALID'],
      ...history.slice(10).map(() => ['success']),
    ]);
    for (const [at, { key }] of opened.entries()) if (key instanceof Uint8Array) expect(key).toEqual(history[at]?.key);
  });

  test('open although a proxy used the fragment of another grant, and name it', () => {
    const others = generateKfrags({ ...delegation, threshold: 2, shares: 3 }, rng);
    const [mine, foreign] = [sent(kfrags), sent(others)];
    const mixed = (...cfrags: readonly (Uint8Array | undefined)[]) => ({ capsule, cfrags: cfrags as Uint8Array[] });
    const [a, b, c] = mine[0]?.cfrags ?? [];
    const [x, y, z] = foreign[0]?.cfrags ?? [];
    const items = [mixed(x, a, b), mixed(a, b, x, c), mixed(a, x), mixed(a, y, z), mixed(a, b, x, y)];
    const opened = decapsulateAll({ ...receiver, items });
    expect(opened.map(told)).toEqual([
      ['success', '0 CFRAG_INVALID'],
      ['success', '2 CFRAG_INVALID'],
      ['THRESHOLD'],
      ['success', '0 CFRAG_INVALID'],
      ['success', '2 CFRAG_INVALID', '3 CFRAG_INVALID'],
    ]);
    for (const { key } of opened.filter(({ key }) => key instanceof Uint8Array)) expect(key).toEqual(history[0]?.key);
  });

  test('open with a smaller delegation when the larger does not suffice', () => {
    const many = generateKfrags({ ...delegation, threshold: 3, shares: 3 }, rng);
    const one = generateKfrags({ ...delegation, threshold: 1, shares: 1 }, rng);
    const cfrags = [...many.slice(1), ...one].map((kfrag) => reencrypt(capsule, kfrag, rng).toBytes());
    const [opened] = decapsulateAll({ ...receiver, items: [{ capsule, cfrags }] }) as [Decapsulated];
    expect(told(opened)).toEqual(['success', '0 CFRAG_INVALID', '1 CFRAG_INVALID']);
    expect(opened.key).toEqual(history[0]?.key);
  });

  test('stay shut under wrong keys', () => {
    const items = sent(kfrags.slice(1)).slice(0, 2);
    const refused = ['THRESHOLD', '0 SIGNATURE_INVALID', '1 SIGNATURE_INVALID'];
    for (const wrong of [
      { receivingKey: eve },
      { delegatingKey: eve.publicKey() },
      { verifyingKey: eve.publicKey() },
      { verifyingKey: keys.delegatingKey },
    ])
      expect(decapsulateAll({ ...receiver, ...wrong, items }).map(told)).toEqual([refused, refused]);
    const wiped = SecretKey.random(rng);
    wiped.publicKey();
    wiped.wipe();
    expect(outcome(() => decapsulateAll({ ...receiver, receivingKey: wiped, items: [] }))).toBe('KEY_INVALID');
  });

  test('use a cache that is kept, and leave it usable', () => {
    using cache = new ReceiverCache();
    const items = sent(kfrags);
    for (const half of [items.slice(0, 7), items.slice(7)])
      expect(decapsulateAll({ ...receiver, items: half, cache }).map(told)).toEqual(half.map(() => ['success']));
  });
});

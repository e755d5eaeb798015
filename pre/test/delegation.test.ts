import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CapsuleFrag,
  decapsulateOriginal,
  decapsulateReencrypted,
  encapsulate,
  generateKfrags,
  KeyFrag,
  PublicKey,
  reencrypt,
  SecretKey,
  Signer,
  VerifiedCapsuleFrag,
  VerifiedKeyFrag,
} from '../src/index.ts';
import { castOf, outcome, seeded, UMBRAL_SUITES } from './fixtures.ts';

describe.each(UMBRAL_SUITES)('in suite $name', (suite) => {
  const { alice, bob, eve, signer, keys, delegated } = castOf(suite);
  const rng = seeded('delegation');
  const delegation = { delegatingKey: alice, receivingKey: keys.receivingKey, signer };
  const { capsule, key, kfrags, cfrags } = delegated(2, 3, rng);
  const [first, second, third] = cfrags;
  const [kfrag] = kfrags;
  if (!first || !second || !third || !kfrag) throw new Error('three fragments expected');
  const opening = { receivingKey: bob, delegatingKey: keys.delegatingKey, capsule };
  const open = (...fragments: VerifiedCapsuleFrag[]) => decapsulateReencrypted({ ...opening, cfrags: fragments });

  describe('threshold', () => {
    test('owner and receiver find the key that was encapsulated', () => {
      expect(decapsulateOriginal(alice, capsule)).toEqual(key);
      for (const fragments of [
        [first, second],
        [third, first],
        [first, second, third],
      ]) {
        expect(open(...fragments)).toEqual(key);
      }
    });

    test('fewer fragments than the threshold open nothing', () => {
      expect(outcome(() => open(first))).toBe('THRESHOLD');
      expect(outcome(() => open())).toBe('THRESHOLD');
    });

    test('one of one works', () => {
      const single = delegated(1, 1, rng);
      const opened = decapsulateReencrypted({ ...opening, capsule: single.capsule, cfrags: single.cfrags });
      expect(opened).toEqual(single.key);
    });

    test('any t of n fragments open, in any order, and no t - 1 of them do', () => {
      const thresholds = fc.integer({ min: 1, max: 4 }).chain((shares) =>
        fc.record({
          shares: fc.constant(shares),
          threshold: fc.integer({ min: 1, max: shares }),
          order: fc.shuffledSubarray([...Array(shares).keys()], { minLength: shares }),
        }),
      );
      const property = fc.property(thresholds, ({ shares, threshold, order }) => {
        const made = delegated(threshold, shares, rng);
        const chosen = order.map((at) => made.cfrags[at] as VerifiedCapsuleFrag);
        const openWith = (count: number) => () =>
          decapsulateReencrypted({ ...opening, capsule: made.capsule, cfrags: chosen.slice(0, count) });
        expect(openWith(threshold)()).toEqual(made.key);
        expect(openWith(shares)()).toEqual(made.key);
        expect(outcome(openWith(threshold - 1))).toBe('THRESHOLD');
      });
      fc.assert(property, { numRuns: 8 });
    });

    test('255 shares are made, and any two of them open', () => {
      const many = generateKfrags({ ...delegation, threshold: 2, shares: 255 }, rng);
      const ends = [many[0], many[254]].map((fragment) => reencrypt(capsule, fragment as VerifiedKeyFrag, rng));
      expect(new Set(many.map((fragment) => fragment.toBytes().join())).size).toBe(255);
      expect(open(...ends)).toEqual(key);
    });

    test.each([
      [0, 1],
      [2, 1],
      [1, 256],
      [-1, 3],
      [1.5, 3],
      [1, 2.5],
      [Number.NaN, 3],
      [1, Number.POSITIVE_INFINITY],
    ])('a threshold of %d of %d is refused', (threshold, shares) => {
      expect(outcome(() => generateKfrags({ ...delegation, threshold, shares }))).toBe('THRESHOLD');
    });
  });

  describe('what the receiver is protected from', () => {
    test('the same fragment twice', () => {
      expect(outcome(() => open(first, first))).toBe('CFRAG_INVALID');
      const again = CapsuleFrag.fromBytes(first.toBytes(), suite).verify(capsule, keys);
      expect(outcome(() => open(first, again))).toBe('CFRAG_INVALID');
    });

    test('fragments of two delegations', () => {
      const [other] = generateKfrags({ ...delegation, threshold: 2, shares: 2 }, rng);
      expect(outcome(() => open(first, reencrypt(capsule, other as VerifiedKeyFrag, rng)))).toBe('CFRAG_INVALID');
    });

    test('fragments of another capsule', () => {
      const foreign = encapsulate(keys.delegatingKey, rng).capsule;
      const ofForeign = reencrypt(foreign, kfrag, rng);
      expect(outcome(() => open(second, ofForeign))).toBe('CFRAG_INVALID');
      expect(outcome(() => CapsuleFrag.fromBytes(ofForeign.toBytes(), suite).verify(capsule, keys))).toBe(
        'CFRAG_INVALID',
      );
    });

    test('fragments that were verified for other keys', () => {
      const cfrags = [first, second];
      expect(outcome(() => decapsulateReencrypted({ ...opening, receivingKey: eve, cfrags }))).toBe('CFRAG_INVALID');
      const delegatingKey = eve.publicKey();
      expect(outcome(() => decapsulateReencrypted({ ...opening, delegatingKey, cfrags }))).toBe('CFRAG_INVALID');
    });

    test('another receiver opens nothing even with fragments nobody checked', () => {
      const unchecked = kfrags.map((fragment) => reencrypt(capsule, fragment, rng));
      expect(outcome(() => decapsulateReencrypted({ ...opening, receivingKey: eve, cfrags: unchecked }))).toBe(
        'THRESHOLD',
      );
    });

    test.each(['verifyingKey', 'delegatingKey', 'receivingKey'] as const)(
      'a capsule fragment for another %s',
      (name) => {
        const cfrag = CapsuleFrag.fromBytes(first.toBytes(), suite);
        expect(outcome(() => cfrag.verify(capsule, { ...keys, [name]: eve.publicKey() }))).toBe('SIGNATURE_INVALID');
      },
    );
  });

  describe('what the proxy is protected from', () => {
    test.each(['verifyingKey', 'delegatingKey', 'receivingKey'] as const)('a key fragment for another %s', (name) => {
      const fragment = KeyFrag.fromBytes(kfrag.toBytes(), suite);
      expect(outcome(() => fragment.verify({ ...keys, [name]: eve.publicKey() }))).toBe('SIGNATURE_INVALID');
    });

    test('a signed key must be named to verify', () => {
      const fragment = KeyFrag.fromBytes(kfrag.toBytes(), suite);
      const { verifyingKey, delegatingKey, receivingKey } = keys;
      expect(outcome(() => fragment.verify({ verifyingKey }))).toBe('KFRAG_INVALID');
      expect(outcome(() => fragment.verify({ verifyingKey, delegatingKey }))).toBe('KFRAG_INVALID');
      expect(outcome(() => fragment.verify({ verifyingKey, receivingKey }))).toBe('KFRAG_INVALID');
    });

    test('a key that no signature binds is not silently accepted', () => {
      const [unbound] = generateKfrags(
        { ...delegation, threshold: 1, shares: 1, signDelegatingKey: false, signReceivingKey: false },
        rng,
      );
      const fragment = KeyFrag.fromBytes((unbound as VerifiedKeyFrag).toBytes(), suite);
      const { verifyingKey, delegatingKey, receivingKey } = keys;
      expect(outcome(() => fragment.verify({ verifyingKey }))).toBe('success');
      expect(outcome(() => fragment.verify({ verifyingKey, delegatingKey }))).toBe('KFRAG_INVALID');
      expect(outcome(() => fragment.verify({ verifyingKey, receivingKey }))).toBe('KFRAG_INVALID');
      expect(outcome(() => fragment.verify(keys))).toBe('success');
      expect(outcome(() => fragment.verify({ ...keys, receivingKey: eve.publicKey() }))).toBe('SIGNATURE_INVALID');
    });

    test('a signer who spoils the signature the receiver checks is found out at the proxy', () => {
      const spoilt = kfrag.toBytes();
      spoilt.set(signer.sign(new Uint8Array(1), rng), 310 - 2 - 64);
      expect(outcome(() => KeyFrag.fromBytes(spoilt, suite).verify(keys))).toBe('SIGNATURE_INVALID');
    });

    test('a wiped key fragment re-encrypts no more', () => {
      const own = KeyFrag.fromBytes(kfrag.toBytes(), suite).verify(keys);
      own.wipe();
      expect(outcome(() => reencrypt(capsule, own))).toBe('KFRAG_INVALID');
    });
  });

  describe('what the delegator is protected from', () => {
    test('one key for delegating and signing', () => {
      const act = () => generateKfrags({ ...delegation, signer: new Signer(alice), threshold: 1, shares: 1 });
      expect(outcome(act)).toBe('KEY_REUSED');
    });

    test('a random source that repeats itself or gives the wrong length', () => {
      const request = { ...delegation, threshold: 2, shares: 2 };
      expect(outcome(() => generateKfrags(request, (length) => new Uint8Array(length).fill(7)))).toBe('RANDOM_INVALID');
      expect(outcome(() => generateKfrags(request, () => new Uint8Array(3)))).toBe('RANDOM_INVALID');
      expect(outcome(() => encapsulate(keys.delegatingKey, () => 'random' as unknown as Uint8Array))).toBe(
        'RANDOM_INVALID',
      );
    });
  });

  describe('typestate', () => {
    test('verified fragments, capsules and keys cannot be made or imitated outside the package', () => {
      for (const type of [VerifiedKeyFrag, VerifiedCapsuleFrag, PublicKey, SecretKey]) {
        const Outside = type as unknown as new (...parts: unknown[]) => unknown;
        expect(outcome(() => new Outside(Symbol('@yilian/pre'), {}, new Uint8Array(32)))).toMatch(
          /^(ARGUMENT|KEY)_INVALID$/,
        );
      }
      const imitation = Object.create(VerifiedKeyFrag.prototype) as VerifiedKeyFrag;
      expect(outcome(() => reencrypt(capsule, imitation))).toBe('KFRAG_INVALID');
      expect(outcome(() => open(Object.create(VerifiedCapsuleFrag.prototype) as VerifiedCapsuleFrag))).toBe(
        'CFRAG_INVALID',
      );
    });

    test('an unverified fragment does not re-encrypt or open', () => {
      const unverifiedKfrag = KeyFrag.fromBytes(kfrag.toBytes(), suite) as unknown as VerifiedKeyFrag;
      expect(outcome(() => reencrypt(capsule, unverifiedKfrag))).toBe('KFRAG_INVALID');
      const unverifiedCfrag = CapsuleFrag.fromBytes(first.toBytes(), suite) as unknown as VerifiedCapsuleFrag;
      expect(outcome(() => open(unverifiedCfrag))).toBe('CFRAG_INVALID');
    });
  });
});

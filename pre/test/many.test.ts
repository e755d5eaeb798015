import { describe, expect, test } from 'vitest';
import { concat } from '../src/bytes.ts';
import type { CfragProof } from '../src/cfrag-proof.ts';
import { challenge, proofsHold } from '../src/cfrag-proof.ts';
import type { Point, Scalar } from '../src/group.ts';
import {
  type Capsule,
  CapsuleFrag,
  decapsulateReencrypted,
  encapsulate,
  generateKfrags,
  PreError,
  ReceiverCache,
  reencrypt,
  type VerifiedCapsuleFrag,
} from '../src/index.ts';
import { requireUmbral } from '../src/suite.ts';
import { castOf, flipped, seeded, spliced, UMBRAL_SUITES } from './fixtures.ts';

describe.each(UMBRAL_SUITES)('in suite $name', (suite) => {
  const { alice, bob, eve, signer, keys } = castOf(suite);
  const { group } = suite;
  const u = requireUmbral(suite);
  const rng = seeded('many');
  const history = Array.from({ length: 5 }, () => encapsulate(keys.delegatingKey, rng));
  const kfrags = generateKfrags(
    { delegatingKey: alice, receivingKey: keys.receivingKey, signer, threshold: 2, shares: 2 },
    rng,
  );
  const checks = history.flatMap(({ capsule }) =>
    kfrags.map((kfrag) => ({ capsule, cfrag: CapsuleFrag.fromBytes(reencrypt(capsule, kfrag, rng).toBytes(), suite) })),
  );
  const told = (verdicts: readonly (VerifiedCapsuleFrag | PreError)[]) =>
    verdicts.map((verdict) => (verdict instanceof PreError ? verdict.code : 'success'));
  const small = (value: number): Scalar => new Uint8Array(32).fill(value, 31);
  /** Offset of z in a capsule fragment. */
  const Z = 263;

  describe('many fragments verified at once', () => {
    test('are those that each of them verified alone would be', () => {
      const verdicts = CapsuleFrag.verifyAll(checks, keys);
      expect(told(verdicts)).toEqual(checks.map(() => 'success'));
      expect(verdicts.map((verdict) => (verdict as VerifiedCapsuleFrag).toBytes())).toEqual(
        checks.map(({ cfrag }) => cfrag.toBytes()),
      );
      expect(CapsuleFrag.verifyAll([], keys)).toEqual([]);
    });

    test('name every bad one and spoil no other', () => {
      const bad = new Map([
        [1, (bytes: Uint8Array) => spliced(bytes, Z, group.addScalars(bytes.subarray(Z, Z + 32), small(1)))],
        [4, (bytes: Uint8Array) => spliced(bytes, 295, signer.sign(new Uint8Array(3), rng))],
        [8, (bytes: Uint8Array) => flipped(bytes, 70)],
      ]);
      const changed = checks.map(({ capsule, cfrag }, at) => ({
        capsule,
        cfrag: CapsuleFrag.fromBytes((bad.get(at) ?? ((bytes) => bytes))(cfrag.toBytes()), suite),
      }));
      const expected = checks.map(() => 'success');
      expected[1] = 'CFRAG_INVALID';
      expected[4] = 'SIGNATURE_INVALID';
      expected[8] = 'SIGNATURE_INVALID';
      expect(told(CapsuleFrag.verifyAll(changed, keys))).toEqual(expected);
    });

    test('are refused when they change places', () => {
      const [first, , third] = checks;
      if (!first || !third) throw new Error('fragments expected');
      const swapped = [
        { capsule: first.capsule, cfrag: third.cfrag },
        { capsule: third.capsule, cfrag: first.cfrag },
      ];
      expect(told(CapsuleFrag.verifyAll(swapped, keys))).toEqual(['CFRAG_INVALID', 'CFRAG_INVALID']);
    });
  });

  describe('proofs added up', () => {
    const [e, v, error] = group.multiply([3, 5, 7].map((value) => ({ scalar: small(value), point: group.generator })));
    const minus = group.multiply([{ scalar: group.negate(small(7)), point: group.generator }])[0];
    if (!e || !v || !error || !minus) throw new Error('points expected');

    /** A proof as a proxy makes it, but for what it adds to E2. */
    function proof(rk: Scalar, k: Scalar, added?: Point): CfragProof {
      const [e1, v1, u1, kE, v2, u2] = group.multiply([
        ...[e, v, u].map((point) => ({ scalar: rk, point: point as Point })),
        ...[e, v, u].map((point) => ({ scalar: k, point: point as Point })),
      ]) as [Point, Point, Point, Point, Point, Point];
      const e2 = added ? (group.add(kE, added) as Point) : kE;
      const unproven = { e: e as Point, v: v as Point, e1, v1, u1, e2, v2, u2 };
      return { ...unproven, z: group.addScalars(k, group.multiplyScalars(challenge(suite, unproven), rk)) };
    }

    test('hold when each holds', () => {
      expect(proofsHold(suite, [proof(small(11), small(13)), proof(small(17), small(19))])).toBe(true);
      expect(proofsHold(suite, [])).toBe(true);
    });

    test('do not make up for each other, though the errors of two cancel out', () => {
      const [one, other] = [proof(small(11), small(13), error), proof(small(17), small(19), minus)];
      expect(proofsHold(suite, [one])).toBe(false);
      expect(proofsHold(suite, [one, other])).toBe(false);
      expect(proofsHold(suite, [other, proof(small(11), small(13)), one])).toBe(false);
    });
  });

  describe('what a receiver keeps of a delegation', () => {
    const verified = CapsuleFrag.verifyAll(checks, keys) as VerifiedCapsuleFrag[];
    const cfragsOf = (at: number) => verified.slice(2 * at, 2 * at + 2);
    const open = (at: number, cache: ReceiverCache, cfrags = cfragsOf(at)) =>
      decapsulateReencrypted({
        receivingKey: bob,
        delegatingKey: keys.delegatingKey,
        capsule: (history[at] as { readonly capsule: Capsule }).capsule,
        cfrags,
        cache,
      });

    test('opens every capsule of it, in any order of the fragments', () => {
      using cache = new ReceiverCache();
      for (const [at, { key }] of history.entries()) {
        expect(open(at, cache)).toEqual(key);
        expect(open(at, cache, cfragsOf(at).reverse())).toEqual(key);
      }
    });

    test('is apart for every receiver, delegation and set of fragments', () => {
      using cache = new ReceiverCache();
      expect(open(0, cache)).toEqual(history[0]?.key);
      const others = generateKfrags(
        { delegatingKey: alice, receivingKey: eve.publicKey(), signer, threshold: 1, shares: 1 },
        rng,
      );
      const { capsule, key } = encapsulate(keys.delegatingKey, rng);
      const cfrags = others.map((kfrag) => reencrypt(capsule, kfrag, rng));
      const opened = decapsulateReencrypted({
        receivingKey: eve,
        delegatingKey: keys.delegatingKey,
        capsule,
        cfrags,
        cache,
      });
      expect(opened).toEqual(key);
      expect(open(1, cache)).toEqual(history[1]?.key);
    });

    test('is overwritten when it is disposed of', () => {
      const cache = new ReceiverCache();
      const kept = cache.weights(
        bob,
        kfrags.map((kfrag) => {
          const bytes = kfrag.toBytes();
          const precursor = group.decode(bytes.subarray(107, 140));
          if (!precursor) throw new Error('a point expected');
          return { id: bytes.slice(39, 71), precursor };
        }),
      );
      expect(kept.every((weight) => weight.some((byte) => byte !== 0))).toBe(true);
      cache[Symbol.dispose]();
      expect(concat(...kept)).toEqual(new Uint8Array(64));
      expect(open(2, cache)).toEqual(history[2]?.key);
    });
  });
});

import { describe, expect, test, vi } from 'vitest';
import {
  CapsuleFrag,
  context,
  generateKfrags,
  headerCapsule,
  newContentSecret,
  openHeader,
  openHeaderAsOwner,
  ReceiverCache,
  reencrypt,
  sealHeader,
} from '../src/index.ts';
import { castOf, flipped, outcome, seeded, spliced, UMBRAL_SUITES } from './fixtures.ts';

describe.each(UMBRAL_SUITES)('in suite $name', (suite) => {
  const { alice, bob, eve, signer, keys, delegated } = castOf(suite);
  const size = 168 + suite.message.tagBytes;
  const rng = seeded('header');
  const secret = newContentSecret(rng);
  const about = context('record', 'r-1', 3);
  const header = sealHeader(keys.delegatingKey, secret, about, rng);
  const capsule = headerCapsule(header, suite);
  const kfrags = generateKfrags(
    { delegatingKey: alice, receivingKey: keys.receivingKey, signer, threshold: 2, shares: 3 },
    rng,
  );
  const cfrags = kfrags.map((kfrag) => {
    const sent = reencrypt(capsule, kfrag, rng).toBytes();
    return CapsuleFrag.fromBytes(sent, suite).verify(capsule, keys);
  });
  const opening = { receivingKey: bob, delegatingKey: keys.delegatingKey, header, context: about, cfrags };

  describe('key headers', () => {
    test('open for the owner and, through the proxies, for the receiver', () => {
      expect(header.length).toBe(size);
      expect(openHeaderAsOwner(alice, header, about)).toEqual(secret);
      expect(openHeader(opening)).toEqual(secret);
      expect(openHeader({ ...opening, cfrags: cfrags.slice(1) })).toEqual(secret);
    });

    test('open with what the receiver keeps of the delegation', () => {
      using cache = new ReceiverCache();
      const weights = vi.spyOn(cache, 'weights');
      expect(openHeader({ ...opening, cache })).toEqual(secret);
      expect(weights).toHaveBeenCalledOnce();
    });

    test('open for nobody else', () => {
      expect(outcome(() => openHeaderAsOwner(eve, header, about))).toBe('HEADER_INVALID');
      expect(outcome(() => openHeaderAsOwner(bob, header, about))).toBe('HEADER_INVALID');
      expect(outcome(() => openHeader({ ...opening, receivingKey: eve }))).toBe('CFRAG_INVALID');
      expect(outcome(() => openHeader({ ...opening, cfrags: cfrags.slice(2) }))).toBe('THRESHOLD');
      expect(outcome(() => openHeader({ ...opening, cfrags: delegated(1, 1, rng).cfrags }))).toBe('CFRAG_INVALID');
    });

    test('open only in the context they were sealed in', () => {
      for (const other of [context('record', 'r-2', 3), context('record', 'r-1', 4), context(), new Uint8Array()]) {
        expect(outcome(() => openHeaderAsOwner(alice, header, other))).toBe('HEADER_INVALID');
        expect(outcome(() => openHeader({ ...opening, context: other }))).toBe('HEADER_INVALID');
      }
    });

    test('one byte changed anywhere is refused', () => {
      const codes = Array.from(header.keys(), (at) =>
        outcome(() => openHeaderAsOwner(alice, flipped(header, at, at % 2 === 0 ? 1 : 0x40), about)),
      );
      expect(new Set(codes)).toEqual(new Set(['HEADER_INVALID', 'SUITE_UNSUPPORTED', 'CAPSULE_INVALID']));
      expect(new Set(codes.slice(0, 4))).toEqual(new Set(['HEADER_INVALID']));
      expect(new Set(codes.slice(4, 6))).toEqual(new Set(['SUITE_UNSUPPORTED']));
    });

    test('a missing or a trailing byte is refused', () => {
      for (const changed of [header.subarray(1), header.subarray(0, -1), spliced(header, size, Uint8Array.of(0))]) {
        expect(outcome(() => headerCapsule(changed, suite))).toBe('HEADER_INVALID');
      }
    });

    test('a capsule does not carry another header', () => {
      const other = sealHeader(keys.delegatingKey, newContentSecret(rng), about, rng);
      const mixed = spliced(other, 6, header.subarray(6, 104));
      expect(outcome(() => openHeaderAsOwner(alice, mixed, about))).toBe('HEADER_INVALID');
    });

    test('rotation seals the same secret anew for another key', () => {
      const rotated = sealHeader(eve.publicKey(), openHeaderAsOwner(alice, header, about), about, rng);
      expect(openHeaderAsOwner(eve, rotated, about)).toEqual(secret);
      expect(rotated).not.toEqual(header);
    });

    test('sealing leaves the secret with its owner, and takes no other shape of secret', () => {
      const own = newContentSecret(rng);
      const copy = { key: new Uint8Array(own.key), salt: new Uint8Array(own.salt) };
      sealHeader(keys.delegatingKey, own, about, rng);
      expect(own).toEqual(copy);
      const act = () => sealHeader(keys.delegatingKey, { ...own, key: own.key.subarray(1) }, about, rng);
      expect(outcome(act)).toBe('ARGUMENT_INVALID');
    });
  });
});

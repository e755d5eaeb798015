import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, MAX_SEALED_PLAINTEXT, openSealed, sealTo } from '../src/index.ts';
import { castOf, flipped, MAIN_SUITES, outcome, seeded, spliced } from './fixtures.ts';

describe.each(MAIN_SUITES)('in suite $name', (suite) => {
  const { bob, eve, keys } = castOf(suite);
  const overhead = 39 + suite.message.tagBytes;
  const rng = seeded('sealed');
  const about = context('kfrag', 'grant-1', 'proxy-2');
  const plaintext = rng(310);
  const sealed = sealTo(keys.receivingKey, plaintext, about, rng);

  describe('messages sealed to a party', () => {
    test('any small message comes back', () => {
      const property = fc.property(
        fc.uint8Array({ maxLength: 2000 }),
        fc.uint8Array({ maxLength: 50 }),
        (message, use) => {
          const bytes = sealTo(keys.receivingKey, message, use, rng);
          expect(bytes.length).toBe(message.length + overhead);
          expect(openSealed(bob, bytes, use)).toEqual(message);
        },
      );
      fc.assert(property, { numRuns: 15 });
    });

    test('nobody else and no other context opens it', () => {
      expect(outcome(() => openSealed(eve, sealed, about))).toBe('SEALED_INVALID');
      expect(outcome(() => openSealed(bob, sealed, context('kfrag', 'grant-1', 'proxy-3')))).toBe('SEALED_INVALID');
      expect(outcome(() => openSealed(bob, sealed, new Uint8Array()))).toBe('SEALED_INVALID');
    });

    test('one byte changed anywhere is refused', () => {
      const codes = Array.from(sealed.keys(), (at) => outcome(() => openSealed(bob, flipped(sealed, at), about)));
      expect(codes.filter((code) => code === 'success')).toEqual([]);
      expect(new Set(codes)).toEqual(new Set(['SEALED_INVALID', 'SUITE_UNSUPPORTED']));
    });

    test('a shorter, longer or oversized message is refused', () => {
      const oversized = new Uint8Array(MAX_SEALED_PLAINTEXT + overhead + 1);
      for (const bytes of [
        sealed.subarray(0, overhead - 1),
        sealed.subarray(0, -1),
        spliced(sealed, sealed.length, Uint8Array.of(0)),
        oversized,
      ]) {
        expect(outcome(() => openSealed(bob, bytes, about))).toBe('SEALED_INVALID');
      }
      const act = () => sealTo(keys.receivingKey, new Uint8Array(MAX_SEALED_PLAINTEXT + 1), about);
      expect(outcome(act)).toBe('ARGUMENT_INVALID');
    });

    test('equal messages do not look equal', () => {
      expect(sealTo(keys.receivingKey, plaintext, about)).not.toEqual(sealTo(keys.receivingKey, plaintext, about));
    });
  });
});

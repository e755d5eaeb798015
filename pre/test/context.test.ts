import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CfragBinding, ContextPart } from '../src/index.ts';
import { bindingMessage, commitment, context, sha256 } from '../src/index.ts';
import { outcome, seeded, text } from './fixtures.ts';

const hash = seeded('context');

describe('contexts', () => {
  const part = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 5 }),
    fc.uint8Array({ maxLength: 9 }),
    fc.nat({ max: 300 }),
  );

  test('two lists of parts encode alike only when they are alike', () => {
    const same = (a: ContextPart[], b: ContextPart[]) => JSON.stringify(a.map(typed)) === JSON.stringify(b.map(typed));
    const property = fc.property(fc.array(part, { maxLength: 4 }), fc.array(part, { maxLength: 4 }), (a, b) => {
      expect(context(...a).join() === context(...b).join()).toBe(same(a, b));
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('text, bytes and numbers of the same content differ, and so do other cuts', () => {
    const encodings = [
      context('1'),
      context(Uint8Array.of(0x31)),
      context(1),
      context(0x31),
      context(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1)),
      context('', '1'),
      context('1', ''),
      context(),
    ];
    expect(new Set(encodings.map((bytes) => bytes.join())).size).toBe(8);
  });

  test.each([['\ud800'], [-1], [1.5], [2 ** 53], [Number.NaN], [null], [undefined], [['a']], [1n]])(
    '%s is no part',
    (value) => {
      expect(outcome(() => context(value as ContextPart))).toBe('CONTEXT_INVALID');
    },
  );
});

function typed(part: ContextPart): [string, string] {
  return part instanceof Uint8Array ? ['bytes', part.join()] : [typeof part, String(part)];
}

describe('commitments', () => {
  const [salt, digest] = [hash(32), hash(32)];

  test('change with salt and plaintext, and are not a plain hash', () => {
    const values = [commitment(salt, digest), commitment(digest, salt), commitment(salt, salt), sha256(salt, digest)];
    expect(new Set(values.map((bytes) => bytes.join())).size).toBe(4);
    expect(commitment(salt, digest)).toEqual(commitment(salt, digest));
  });

  test('take 32 bytes each', () => {
    expect(outcome(() => commitment(salt.subarray(1), digest))).toBe('ARGUMENT_INVALID');
    expect(outcome(() => commitment(salt, new Uint8Array(33)))).toBe('ARGUMENT_INVALID');
  });
});

describe('the binding of capsule fragments', () => {
  const items = [1, 2].map(() => ({ capsuleHash: hash(32), cfragHash: hash(32) }));
  const [one, two] = items;
  if (!one || !two) throw new Error('two items expected');
  const binding: CfragBinding = {
    federation: 'cn',
    requestId: 'request',
    transactionId: 'transaction',
    recipientKeyHash: hash(32),
    items,
  };

  test('starts with its domain tag and a zero byte', () => {
    expect(text(bindingMessage(binding).subarray(0, 24))).toBe('yilian/cfrag-binding/v1\0');
  });

  test('changes with every part and with the order of its items', () => {
    const variants: CfragBinding[] = [
      binding,
      { ...binding, federation: 'eu' },
      { ...binding, requestId: 'requesttransaction' },
      { ...binding, transactionId: 'other' },
      { ...binding, requestId: 'requestt', transactionId: 'ransaction' },
      { ...binding, recipientKeyHash: hash(32) },
      { ...binding, items: [two, one] },
      { ...binding, items: [one] },
      { ...binding, items: [{ capsuleHash: one.cfragHash, cfragHash: one.capsuleHash }, two] },
    ];
    expect(new Set(variants.map((variant) => bindingMessage(variant).join())).size).toBe(variants.length);
  });

  test('is refused when something is missing or malformed', () => {
    const malformed: Partial<CfragBinding>[] = [
      { federation: '' },
      { requestId: '' },
      { transactionId: '' },
      { recipientKeyHash: hash(31) },
      { items: [] },
      { items: [{ ...one, cfragHash: hash(33) }] },
      { items: Array.from({ length: 201 }, () => one) },
    ];
    for (const change of malformed) {
      expect(outcome(() => bindingMessage({ ...binding, ...change }))).toBe('BINDING_INVALID');
    }
  });
});

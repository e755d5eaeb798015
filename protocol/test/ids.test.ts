import { PublicKey, SecretKey } from '@yilian/pre';
import {
  Bookmark,
  Cid,
  Epoch,
  fromBase64url,
  Hash,
  MspId,
  Nonce,
  Pem,
  PointKey,
  Purpose,
  parser,
  RecordId,
  RegionId,
  ScopeEntry,
  Time,
  TransactionId,
  toBase64url,
  Url,
} from '@yilian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import file from './vectors/documents.json' with { type: 'json' };

const accepts = (schema: Parameters<typeof parser>[1]) => {
  const parse = parser('value', schema);
  return (value: unknown): boolean => {
    try {
      parse(value);
      return true;
    } catch {
      return false;
    }
  };
};

describe('identifiers that stand for bytes', () => {
  test.each([
    ['Hash', Hash, 32],
    ['RecordId', RecordId, 16],
    ['Nonce', Nonce, 16],
  ] as const)('%s: exactly the canonical spellings of that many bytes', (_, schema, length) => {
    const is = accepts(schema);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(is(toBase64url(bytes))).toBe(bytes.length === length);
      }),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from('AQgwZz09-_')), minLength: 20, maxLength: 44 }),
        (text) => {
          let spelled = false;
          try {
            spelled = fromBase64url(text).length === length;
          } catch {}
          expect(is(text)).toBe(spelled);
        },
      ),
    );
  });

  test('a point’s key may only be one of two first bytes and thirty-three in all', () => {
    const is = accepts(PointKey);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 33, maxLength: 33 }), (bytes) => {
        expect(is(toBase64url(bytes))).toBe(bytes[0] === 2 || bytes[0] === 3);
      }),
      { numRuns: 300 },
    );
    const key = SecretKey.random().publicKey();
    expect(is(key.toBase64url())).toBe(true);
    expect(PublicKey.fromBytes(fromBase64url(key.toBase64url())).toBase64url()).toBe(key.toBase64url());
    expect(is(toBase64url(new Uint8Array(34).fill(2)))).toBe(false);
  });
});

test.each([
  ['RegionId', RegionId, ['region-a', 'ab'], ['a', 'A', '1a', 'a_b', `a${'b'.repeat(40)}`, 'a\n', 'a/b', '区域']],
  ['MspId', MspId, ['RegionACommission', 'A.b-1'], ['1A', 'A', 'A/b', "A'", `A${'b'.repeat(64)}`]],
  ['Purpose', Purpose, ['TREAT', 'HRESCH'], ['treat', 'T', 'TREAT ', 'A'.repeat(21)]],
  ['TransactionId', TransactionId, ['0af'.padEnd(64, '0')], ['0AF'.padEnd(64, '0'), '0'.repeat(63)]],
  [
    'Cid',
    Cid,
    ['bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'],
    ['QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG', ''],
  ],
  [
    'Url',
    Url,
    ['https://a.example:8443/v1', 'http://127.0.0.1:1', 'http://[::1]:80'],
    ['ftp://a', 'http://u:p@a', 'https://a/?q', 'https://a#f', 'javascript:1'],
  ],
  ['Time', Time, [0, 1_767_225_600_000], [-1, 0.5, 8_640_000_000_000_001, '0', null]],
  ['Epoch', Epoch, [1, 1_000_000], [0, 1.5, 1_000_001]],
  [
    'Bookmark',
    Bookmark,
    ['laboratory/AAAAAAAAAAAAAAAAAAAAAA'],
    ['laboratory/', '/AAAAAAAAAAAAAAAAAAAAAA', 'laboratory/AAAAAAAAAAAAAAAAAAAAAB', ''],
  ],
  [
    'Pem',
    Pem,
    [file.trust.organisations[0]?.roots[0]],
    [
      '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n',
      '-----BEGIN CERTIFICATE-----\nAA==\n-----END X509 CRL-----\n',
      'x',
    ],
  ],
] as const)('%s is recognised', (_, schema, good, bad) => {
  const is = accepts(schema);
  expect(good.filter((value) => !is(value))).toEqual([]);
  expect(bad.filter((value) => is(value))).toEqual([]);
});

test('text for people has no control characters and is counted by code points', () => {
  const is = (title: string) => accepts(ScopeEntry)({ scope: 'laboratory', title, titleZh: '检验' });
  expect(is('𠮷'.repeat(120))).toBe(true);
  for (const title of ['', 'a\u0000', 'a\nb', '\uD800', '\u0085', '𠮷'.repeat(121)]) expect(is(title)).toBe(false);
});

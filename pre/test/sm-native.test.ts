import { createCipheriv, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hkdfSm3 } from '../src/sm/kdf.ts';
import * as node from '../src/sm/native-node.ts';
import * as portable from '../src/sm/native-portable.ts';
import { sm3Hash } from '../src/sm/sm3.ts';
import { sm4Blocks } from '../src/sm/sm4.ts';
import { seeded, toHex } from './fixtures.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyBytes = fc.uint8Array({ maxLength: 300 });
const rng = seeded('sm native');

describe('the native and the portable SM3 and SM4', () => {
  test('Node takes the native ones', async () => {
    const chosen = await import('#native-sm');
    expect(chosen.sm4Ctr).toBe(node.sm4Ctr);
  });

  test('offer the same functions', () => {
    expect(Object.keys(node).sort()).toEqual(Object.keys(portable).sort());
  });

  test('hash messages of every length around the padding to the same bytes', () => {
    for (let length = 0; length <= 200; length++) {
      const message = rng(length);
      expect(toHex(portable.sm3(message))).toBe(toHex(node.sm3(message)));
    }
  });

  test('hash and authenticate to the same bytes, however the input is cut', () => {
    const property = fc.property(anyBytes, fc.array(anyBytes, { maxLength: 5 }), (key, parts) => {
      const whole = new Uint8Array(Buffer.concat(parts));
      expect(portable.sm3(...parts)).toEqual(node.sm3(whole));
      expect(node.sm3(...parts)).toEqual(portable.sm3(whole));
      expect(portable.hmacSm3(key, ...parts)).toEqual(node.hmacSm3(key, whole));
      expect(node.hmacSm3(key, ...parts)).toEqual(portable.hmacSm3(key, whole));
    });
    fc.assert(property);
  });

  test('encrypt to the same bytes at every length up to three batches', () => {
    const [key, counter] = [rng(16), rng(16)];
    for (let length = 0; length <= 1537; length += 1 + (length % 5)) {
      const data = rng(length);
      expect(toHex(portable.sm4Ctr(key, counter, data))).toBe(toHex(node.sm4Ctr(key, counter, data)));
    }
  });

  test('count over the end of a byte, a word and all 128 bits alike', () => {
    const [key, data] = [rng(16), rng(100)];
    for (let ones = 1; ones <= 16; ones++) {
      const counter = rng(16).fill(0xff, 16 - ones);
      expect(toHex(portable.sm4Ctr(key, counter, data))).toBe(toHex(node.sm4Ctr(key, counter, data)));
    }
  });

  test('leave their input as it was', () => {
    const [key, counter, data] = [rng(16), rng(16), rng(40)];
    const before = [key, counter, data].map(toHex);
    node.sm4Ctr(key, counter, data);
    portable.sm4Ctr(key, counter, data);
    expect([key, counter, data].map(toHex)).toEqual(before);
  });
});

test('SM4 of single blocks is that of node:crypto, for keys of every byte value', () => {
  for (let value = 0; value < 256; value++) {
    const [key, blocks] = [rng(16).fill(value, value % 16, (value % 16) + 1), rng(16 * (1 + (value % 40)))];
    const ecb = createCipheriv('sm4-ecb', key, null).setAutoPadding(false);
    expect(toHex(sm4Blocks(key, blocks))).toBe(toHex(Buffer.concat([ecb.update(blocks), ecb.final()])));
  }
});

test('HKDF-SM3 is that of node:crypto', () => {
  const property = fc.property(bytes(32), anyBytes, anyBytes, fc.integer({ min: 1, max: 255 * 32 }), (...drawn) => {
    const [ikm, salt, info, length] = drawn;
    expect(toHex(hkdfSm3(ikm, info, length, salt))).toBe(
      Buffer.from(hkdfSync('sm3', ikm, salt, info, length)).toString('hex'),
    );
    expect(hkdfSm3(ikm, info, length)).toEqual(hkdfSm3(ikm, info, length, new Uint8Array()));
  });
  fc.assert(property, { numRuns: 50 });
});

test('a copy of an SM3 state goes its own way, and a finished one is used up', () => {
  const [start, one, other] = [rng(70), rng(30), rng(90)];
  const state = sm3Hash.create().update(start);
  const copy = state.clone();
  expect(toHex(copy.update(other).digest())).toBe(toHex(node.sm3(start, other)));
  expect(toHex(state.update(one).digest())).toBe(toHex(node.sm3(start, one)));
  expect(() => state.update(one)).toThrow();
});

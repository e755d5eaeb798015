import { concatBytes } from '@noble/curves/utils.js';
import { afterAll, expect, test, vi } from 'vitest';
import { seeded, sm2PublicKey, sm2SecretKey } from './fixtures.ts';

vi.mock('#native-sm', async () => ({
  ...(await import('../src/sm/native-node.ts')),
  sm3: () => new Uint8Array(32),
}));

// Test files share a process: without these, modules loaded before would keep the real hash, and later ones this one.
vi.resetModules();
afterAll(() => {
  vi.doUnmock('#native-sm');
  vi.resetModules();
});

const { G } = await import('../src/sm/sm2-curve.ts');
const { unwrapKey, wrapKey } = await import('../src/sm/sm2-wrap.ts');

test('a key derivation that gives only zeros neither wraps nor unwraps', () => {
  const secret = sm2SecretKey(seeded('broken hash'));
  expect(() => wrapKey(sm2PublicKey(secret), new Uint8Array(32))).toThrow(
    expect.objectContaining({ code: 'RANDOM_INVALID' }),
  );
  // C3 = 0 is what this hash gives for every key, so only the mask is wrong.
  const wrapped = concatBytes(G.toBytes(false), new Uint8Array(32), new Uint8Array(32).fill(7));
  expect(() => unwrapKey(secret, wrapped)).toThrow(expect.objectContaining({ code: 'CIPHERTEXT_INVALID' }));
});

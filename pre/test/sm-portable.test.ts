import { afterAll, expect, test, vi } from 'vitest';
import { seeded, sm2PublicKey, sm2SecretKey } from './fixtures.ts';

vi.mock('#native-sm', async () => {
  const { hmacSm3, sm3, sm4Ctr } = await import('../src/sm/native-portable.ts');
  return { hmacSm3: vi.fn(hmacSm3), sm3: vi.fn(sm3), sm4Ctr: vi.fn(sm4Ctr) };
});

// Test files share a process: without these, modules loaded before would stay native, and later ones portable.
vi.resetModules();
afterAll(() => {
  vi.doUnmock('#native-sm');
  vi.resetModules();
});

const native = await import('#native-sm');
const { open, seal } = await import('../src/sm/aead.ts');
const { signSm2, verifySm2 } = await import('../src/sm/sm2-signature.ts');
const { unwrapKey, wrapKey } = await import('../src/sm/sm2-wrap.ts');

test('the whole suite works on the primitives a browser gets', () => {
  const rng = seeded('sm portable');
  const secret = sm2SecretKey(rng);
  const key = sm2PublicKey(secret);
  const [contentKey, nonce, aad, message] = [rng(32), rng(12), rng(20), rng(1000)];
  expect(open(contentKey, nonce, aad, seal(contentKey, nonce, aad, message))).toEqual(message);
  expect(verifySm2(key, message, signSm2(secret, message, { rng }))).toBe(true);
  expect(unwrapKey(secret, wrapKey(key, contentKey, rng))).toEqual(contentKey);
  for (const used of Object.values(native)) expect(used).toHaveBeenCalled();
});

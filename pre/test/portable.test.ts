import { afterAll, expect, test, vi } from 'vitest';
import { collect, readVectors, seeded } from './fixtures.ts';

vi.mock('#native', async () => {
  const { open, seal, sealApart, sha256 } = await import('../src/native-noble.ts');
  return { open: vi.fn(open), seal: vi.fn(seal), sealApart: vi.fn(sealApart), sha256: vi.fn(sha256) };
});

// Test files share a process: without these, modules loaded before would stay native, and later ones portable.
vi.resetModules();
afterAll(() => {
  vi.doUnmock('#native');
  vi.resetModules();
});

const native = await import('#native');
const { context, newContentSecret, openBody, openHeaderAsOwner, openSealed, SecretKey, sealBody, sealHeader, sealTo } =
  await import('../src/index.ts');

test('the whole package works on the primitives a browser gets', async () => {
  const rng = seeded('portable');
  const owner = SecretKey.random(rng);
  const secret = newContentSecret(rng);
  const about = context('record', 1);
  expect(openHeaderAsOwner(owner, sealHeader(owner.publicKey(), secret, about, rng), about)).toEqual(secret);
  expect(openSealed(owner, sealTo(owner.publicKey(), secret.key, about, rng), about)).toEqual(secret.key);
  const plaintext = rng(9000);
  const sealed = await collect(sealBody(secret.key, [plaintext], { chunkSize: 4096, rng }));
  expect(await collect(openBody(secret.key, [sealed]))).toEqual(plaintext);
  for (const used of Object.values(native)) expect(used).toHaveBeenCalled();
});

test('a body sealed on Node opens in a browser', async () => {
  type BodyCase = { readonly name: string; readonly contentKey: string; readonly sealed: string };
  const { cases } = readVectors<{ cases: BodyCase[] }>('body');
  const vector = cases.find(({ name }) => name === '64 KiB chunks');
  if (vector === undefined) throw new Error('the vector is missing');
  const [contentKey, sealed] = [vector.contentKey, vector.sealed].map((field) => Buffer.from(field, 'base64url'));
  const opened = await collect(openBody(contentKey as Buffer, [sealed as Buffer]));
  expect(opened).toEqual(Uint8Array.from({ length: 70_000 }, (_, at) => at % 251));
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { base32upper } from 'multiformats/bases/base32';
import { CID } from 'multiformats/cid';
import { describe, expect, it } from 'vitest';
import { openKuboVault } from '../src/index.ts';
import { type Engine, vaultConformance } from './conformance.ts';
import { bytesOf, damageFile, failureOf, inChunks, listen, MIB, temporaryFolder } from './fixtures.ts';
import { GOLDEN } from './golden.ts';
import { kuboVersion, startKubo } from './kubo-daemon.ts';
import { startKuboStub } from './kubo-stub.ts';

async function onStub(): Promise<Engine & AsyncDisposable> {
  const stub = await startKuboStub();
  return {
    open: (options) => openKuboVault({ url: stub.url, ...options }),
    async damage(cid, how) {
      const key = stub.key(CID.parse(cid));
      const bytes = Buffer.from(stub.blocks.get(key) ?? []);
      bytes[1000] = (bytes[1000] ?? 0) ^ 1;
      if (how === 'flip') stub.blocks.set(key, bytes);
      else stub.blocks.delete(key);
    },
    [Symbol.asyncDispose]: () => stub[Symbol.asyncDispose](),
  };
}

async function onKubo(): Promise<Engine & AsyncDisposable> {
  const kubo = await startKubo();
  return {
    open: (options) => openKuboVault({ url: kubo.url, ...options }),
    async damage(cid, how) {
      const name = base32upper.baseEncode(CID.parse(cid).multihash.bytes);
      await damageFile(join(kubo.repository, 'blocks', name.slice(-3, -1), `${name}.data`), how);
    },
    [Symbol.asyncDispose]: () => kubo[Symbol.asyncDispose](),
  };
}

describe('the vault on a stand-in for Kubo', () => {
  vaultConformance(onStub);

  it('refuses to open when Kubo does not answer', async () => {
    expect((await failureOf(openKuboVault({ url: 'http://127.0.0.1:1' }))).code).toBe('UNAVAILABLE');
    await using silent = await listen(() => undefined);
    expect((await failureOf(openKuboVault({ url: silent.url, kuboTimeoutMs: 100 }))).code).toBe('UNAVAILABLE');
    await using other = await listen((_, response) => void response.writeHead(404).end('no such thing'));
    expect((await failureOf(openKuboVault({ url: other.url }))).code).toBe('UNAVAILABLE');
  });

  it('never asks Kubo to search its network', async () => {
    await using stub = await startKuboStub();
    await using vault = await openKuboVault({ url: stub.url });
    const { cid } = await vault.put(inChunks(bytesOf('local', 10)));
    await vault.verify(cid);
    expect(stub.calls).toEqual(['version', 'block/put', 'pin/add', 'block/get']);
  });
});

const version = kuboVersion();
describe.skipIf(version === null)(
  `the vault on Kubo${version === null ? ' (skipped: no ipfs in PATH)' : ` ${version}`}`,
  () => {
    vaultConformance(onKubo);

    it('gives the CIDs that ipfs add gives', async () => {
      await using kubo = await startKubo();
      await using folder = await temporaryFolder();
      const file = join(folder.path, 'bytes');
      for (const { seed, sizeBytes, cid } of GOLDEN) {
        await writeFile(file, bytesOf(seed, sizeBytes));
        const added = kubo.ipfs(
          'add',
          '-nQ',
          '--cid-version=1',
          '--raw-leaves',
          '--chunker=size-1048576',
          '--max-file-links=1024',
          file,
        );
        expect(added).toBe(cid);
      }
    });

    it('keeps what Kubo collects garbage around, and lets Kubo collect what was unpinned', async () => {
      await using kubo = await startKubo();
      await using vault = await openKuboVault({ url: kubo.url });
      const kept = await vault.put(inChunks(bytesOf('kept', MIB + 1)));
      const gone = await vault.put(inChunks(bytesOf('gone', MIB + 1)));
      await vault.unpin(gone.cid);
      kubo.ipfs('repo', 'gc', '--quiet');
      expect(await vault.verify(kept.cid)).toMatchObject({ blocks: 3, missing: 0 });
      expect(await vault.blocks.read(gone.cid)).toBe('missing');
    });
  },
);

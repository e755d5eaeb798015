import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

/** The modules of this package that an entry loads, by path. */
async function modulesOf(entry: string, platform: 'node' | 'browser'): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: PACKAGE,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform,
    format: 'esm',
  });
  return Object.keys(metafile.inputs).filter((path) => path.startsWith('src/'));
}

test.each(['node', 'browser'] as const)('the main entry loads nothing of SM2, SM3 and SM4 for %s', async (platform) => {
  const [main, sm] = await Promise.all([modulesOf('src/index.ts', platform), modulesOf('src/sm/index.ts', platform)]);
  expect(main).toContain('src/sealed.ts');
  expect(main.filter((path) => path.startsWith('src/sm/'))).toEqual([]);
  expect(sm).toContain('src/sm/suite-sm.ts');
});

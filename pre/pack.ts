import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `node pack.ts FOLDER`: the package as it would be published, a tarball with JavaScript and types that depends on nothing of
 * this workspace. Prints its path.
 */
const HERE = fileURLToPath(new URL('.', import.meta.url));
const BUILT = join(HERE, 'dist');
const [, , target = BUILT] = process.argv;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly [field: string]: unknown;
}

await rm(BUILT, { recursive: true, force: true });
execFileSync('tsc', ['-p', join(HERE, 'tsconfig.package.json')], { stdio: 'inherit' });
const {
  private: _,
  scripts,
  devDependencies,
  ...manifest
} = JSON.parse(await readFile(join(HERE, 'package.json'), 'utf8')) as Manifest;
const published = {
  ...manifest,
  exports: Object.fromEntries(
    Object.entries(manifest.exports).map(([entry, path]) => [
      entry,
      { types: built(path).replace(/\.js$/, '.d.ts'), default: built(path) },
    ]),
  ),
  imports: Object.fromEntries(
    Object.entries(manifest.imports).map(([name, ways]) => [
      name,
      Object.fromEntries(Object.entries(ways).map(([condition, path]) => [condition, built(path)])),
    ]),
  ),
  dependencies: Object.fromEntries(Object.keys(manifest.dependencies).map((name) => [name, versionOf(name)])),
  files: ['esm', 'SPEC.md'],
  engines: { node: '>=20' },
  sideEffects: false,
};
await writeFile(join(BUILT, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
for (const file of ['README.md', 'SPEC.md']) await cp(join(HERE, file), join(BUILT, file));
await cp(join(HERE, '..', 'LICENSE'), join(BUILT, 'LICENSE'));
await mkdir(target, { recursive: true });
const [{ filename }] = JSON.parse(
  execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', target], {
    cwd: BUILT,
    encoding: 'utf8',
  }),
) as [{ readonly filename: string }];
process.stdout.write(`${join(target, filename)}\n`);

function built(path: string): string {
  return path.replace('./src/', './esm/').replace(/\.ts$/, '.js');
}

/** The installed version, which the lock file has pinned. */
function versionOf(name: string): string {
  const manifest = readFileSync(join(HERE, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as Manifest).version;
}

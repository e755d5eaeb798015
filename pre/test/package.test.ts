import { execFileSync } from 'node:child_process';
import { accessSync, constants, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
/** The examples of the README, which write this as one program. */
const program = Array.from(readme.matchAll(/```ts\n(.*?)```/gs), (block) => block[1]).join('\n');
const LINES = ['no fracture', 'no fracture'];

const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find(isExecutable);

describe('the tarball that would be published, in a project that knows nothing of this workspace', () => {
  let project: string;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'yilian-pre-'));
    const [name = ''] = run(process.execPath, [join(PACKAGE, 'pack.ts'), project])
      .trim()
      .split('\n')
      .slice(-1);
    const installed = join(project, 'node_modules/@yilian/pre');
    mkdirSync(installed, { recursive: true });
    run('tar', ['-xzf', name, '-C', installed, '--strip-components', '1']);
    const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    for (const dependency of Object.keys(dependencies))
      cpSync(join(PACKAGE, 'node_modules', dependency), join(project, 'node_modules', dependency), {
        recursive: true,
        dereference: true,
      });
    writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(project, 'program.ts'), program);
  }, 60_000);

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  test('names built files and released versions, and nothing of this workspace', () => {
    const { exports, imports, dependencies, ...manifest } = JSON.parse(
      readFileSync(join(project, 'node_modules/@yilian/pre/package.json'), 'utf8'),
    ) as Record<'exports' | 'imports' | 'dependencies', object>;
    expect(Object.keys(exports)).toEqual(['.', './sm', './workers']);
    const paths = JSON.stringify(Object.values({ ...exports, ...imports })).match(/\.\/[^"]+/g) ?? [];
    expect(paths.length).toBeGreaterThanOrEqual(10);
    for (const path of paths) expect(path).toMatch(/^\.\/esm\/[\w/-]+(\.js|\.d\.ts)$/);
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    for (const field of ['private', 'scripts', 'devDependencies']) expect(manifest).not.toHaveProperty(field);
  });

  test('has types that hold with strict settings, for Node and for bundlers', { timeout: 60_000 }, () => {
    // TypeScript says when an error that is expected is none: the types are there, and not `any`.
    const refused = `import { encrypt } from '@yilian/pre';
      import { PreWorkers } from '@yilian/pre/workers';
      // @ts-expect-error
      encrypt('key', new Uint8Array());
      // @ts-expect-error
      new PreWorkers({ threads: '2' });
    `;
    writeFileSync(join(project, 'refused.ts'), refused);
    const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022'];
    const lib = ['--lib', 'es2023,esnext.disposable,dom', '--types', ''];
    for (const way of [
      ['--module', 'nodenext'],
      ['--module', 'esnext', '--moduleResolution', 'bundler'],
    ])
      expect(run('tsc', [...strict, ...lib, ...way, 'program.ts', 'refused.ts'])).toBe('');
    writeFileSync(
      join(project, 'wrong.ts'),
      "import { encrypt } from '@yilian/pre'; encrypt('key', new Uint8Array());",
    );
    expect(() => run('tsc', [...strict, ...lib, '--module', 'nodenext', 'wrong.ts'])).toThrow();
  });

  test('runs the examples of the README in Node', () => {
    const output = execFileSync(process.execPath, ['--input-type=module-typescript', '-'], {
      cwd: project,
      input: program,
      encoding: 'utf8',
    });
    expect(output.trim().split('\n')).toEqual(LINES);
  });

  test('finds its threads', () => {
    const batch = `
      import { encapsulate, generateKfrags, SecretKey, Signer } from '@yilian/pre';
      import { PreWorkers } from '@yilian/pre/workers';
      const [delegatingKey, receiver] = [SecretKey.random(), SecretKey.random()];
      const signer = new Signer(SecretKey.random());
      const delegation = { delegatingKey, receivingKey: receiver.publicKey(), signer, threshold: 1, shares: 1 };
      const [kfrag] = generateKfrags(delegation);
      const capsules = Array.from({ length: 64 }, () => encapsulate(delegatingKey.publicKey()).capsule);
      let threads = 0;
      process.on('worker', () => threads++);
      const workers = new PreWorkers({ threads: 2 });
      const { length } = await workers.reencryptAll(capsules, kfrag);
      // Idle threads keep nobody waiting: the program ends although they were not disposed of.
      console.log(threads, length);
    `;
    const input = { cwd: project, input: batch, encoding: 'utf8' } as const;
    expect(execFileSync(process.execPath, ['--input-type=module', '-'], input)).toBe('2 64\n');
  });

  test.skipIf(executablePath === undefined)(
    'runs them in Chromium (skipped when PATH has no chromium)',
    { timeout: 60_000 },
    async () => {
      const { outputFiles } = await build({
        entryPoints: [join(project, 'program.ts')],
        bundle: true,
        write: false,
        format: 'esm',
        platform: 'browser',
        target: 'es2022',
        logLevel: 'silent',
      });
      const browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
      try {
        const page = await browser.newPage();
        const said: string[] = [];
        const all = page.waitForEvent('console', (message) => said.push(message.text()) === LINES.length);
        await page.addScriptTag({ type: 'module', content: outputFiles[0]?.text ?? '' });
        await all;
        expect(said).toEqual(LINES);
      } finally {
        await browser.close();
      }
    },
  );

  function run(command: string, args: readonly string[]): string {
    const path = [join(PACKAGE, '../node_modules/.bin'), process.env['PATH']].join(delimiter);
    return execFileSync(command, args, { cwd: project, encoding: 'utf8', env: { ...process.env, PATH: path } });
  }
});

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

let built: string | undefined;

/** The page's script in one piece, bundled from the modules that Node runs and tests. */
export function pageScript(): string {
  built ??= buildSync({
    entryPoints: [fileURLToPath(new URL('page/main.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    minify: true,
    charset: 'utf8',
    legalComments: 'none',
  }).outputFiles[0]?.text.trim();
  if (built === undefined) throw new Error('esbuild wrote no script');
  return built;
}

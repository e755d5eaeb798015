import { readFile, writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

/**
 * Compiles the kernel and writes it into `src/kernel-binary.ts`, so that Node and browsers load it without a request and
 * bundlers need no plugin: `pnpm --filter @yilian/pre kernel`. The same sources and compiler give the same bytes.
 */

const SOURCES = new URL('./assembly/', import.meta.url);
const TARGET = new URL('../src/kernel-binary.ts', import.meta.url);
const OPTIONS = [
  // No allocator, no collector, no import: memory is laid out by layout.ts.
  '--runtime=stub',
  '--use=abort=',
  '--noAssert',
  '-O3',
  '--enable=simd',
  '--memoryBase=1024',
  '--initialMemory=10',
  '--maximumMemory=10',
];

/** @throws with the compiler's report */
export async function compileKernel(): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const report: string[] = [];
  const { error } = await asc.main(['index.ts', '--outFile', 'kernel.wasm', ...OPTIONS], {
    stderr: { write: (text) => report.push(String(text)) },
    readFile: (name) => readFile(new URL(name, SOURCES), 'utf8').catch(() => null),
    writeFile: (_, contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
  });
  if (error !== null) throw new Error(report.join(''), { cause: error });
  if (binary === undefined) throw new Error('the compiler wrote no binary');
  return binary;
}

/** The module that `src/kernel-binary.ts` is. */
export function moduleOf(binary: Uint8Array): string {
  return `/** Compiled from kernel/assembly by kernel/build.ts: not to be edited. */
export const KERNEL_BASE64 =
  '${Buffer.from(binary).toString('base64')}';
`;
}

if (import.meta.main) await writeFile(TARGET, moduleOf(await compileKernel()));

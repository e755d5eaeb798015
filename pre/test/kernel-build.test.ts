import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { instantiateKernel } from '../src/group-wasm.ts';
import { KERNEL_BASE64 } from '../src/kernel-binary.ts';

const builder = await import('../kernel/build.ts').catch(() => undefined);

test.skipIf(builder === undefined)(
  'the kernel that is shipped is what its sources compile to (skipped where assemblyscript is not installed)',
  { timeout: 60_000 },
  async () => {
    const { compileKernel, moduleOf } = builder!;
    const shipped = await readFile(new URL('../src/kernel-binary.ts', import.meta.url), 'utf8');
    expect(moduleOf(await compileKernel())).toBe(shipped);
  },
);

test('the kernel is small and runs without imports', () => {
  expect(Buffer.from(KERNEL_BASE64, 'base64').length).toBeLessThan(40_000);
  expect(instantiateKernel()).toBeDefined();
});

import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const probe = fileURLToPath(new URL('./memory-probe.ts', import.meta.url));

test('sealing and opening 1 GiB takes less than 150 MiB of memory', { timeout: 60_000 }, async () => {
  const { stdout } = spawn(process.execPath, [probe], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { opened, growth } = JSON.parse(await text(stdout)) as { opened: number; growth: number };
  expect(opened).toBe(2 ** 30);
  expect(growth).toBeLessThan(150 * 2 ** 20);
});

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('fixture/memory-process.ts', import.meta.url));
/** Several times what it may take: whoever kept it all, or a fifth of it, would be found. The script `memory` does it with 1 GiB. */
const sizeBytes = 512 * 1024 * 1024;

test('a record of 512 MiB is sealed, stored, fetched from a gateway and opened in less than 100 MiB more than one of 32', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, String(sizeBytes)]);
  const { same, grownMiB } = JSON.parse(stdout) as { same: boolean; grownMiB: number };
  expect(same).toBe(true);
  expect(grownMiB).toBeLessThan(100);
}, 120_000);

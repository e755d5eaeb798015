import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('the examples of the README run as one program', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const program = Array.from(readme.matchAll(/```ts\n(.*?)```/gs), (block) => block[1]).join('\n');
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const { stdin, stdout } = spawn(process.execPath, ['--input-type=module-typescript', '-'], {
    cwd,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  stdin.end(program);
  expect(await text(stdout)).toBe('no fracture\nno fracture\n');
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('service-process.ts', import.meta.url));
const READY = '{"ready":true,"url":"http://127.0.0.1:1"}\n';

/** Runs the program; once it is ready it gets `signal`. */
async function run(args: readonly string[], signal: NodeJS.Signals = 'SIGTERM') {
  const child = spawn(process.execPath, [PROGRAM, ...args]);
  child.stdout.once('data', () => child.kill(signal));
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

test.each(['SIGTERM', 'SIGINT'] as const)('a service says where it serves, and ends in order at %s', async (signal) => {
  expect(await run(['sound'], signal)).toEqual({ code: 0, stdout: `${READY}closed\n`, stderr: '' });
});

test('one that cannot end in order says so by its exit code', async () => {
  expect(await run(['failing'])).toEqual({ code: 1, stdout: READY, stderr: '' });
});

test.each([
  [[], { code: 'CONFIG_INVALID', message: 'usage: CONFIG.json' }],
  [['a', 'b'], { code: 'CONFIG_INVALID', message: 'usage: CONFIG.json' }],
  [['refused'], { code: 'CONFIG_INVALID', message: 'port 1 is not for you' }],
])('one that cannot start says why in its last line: %j', async (args, said) => {
  const { code, stdout, stderr } = await run(args);
  expect([code, stdout, JSON.parse(stderr)]).toEqual([2, '', said]);
});

test('an error nobody foresaw shows where it arose and not what it was about', async () => {
  const { code, stderr } = await run(['broken']);
  const { message, ...said } = JSON.parse(stderr) as Record<string, string>;
  expect([code, said]).toEqual([2, { code: 'INTERNAL' }]);
  expect(message).toMatch(/^the service cannot start at .*service-process\.ts:\d+/);
  expect(stderr).not.toContain('110101199003070134');
});

/**
 * `pnpm test [filter...]`: every check, then every test whose path holds a filter.
 *
 * The last line counts what passed, failed and was skipped. Each of these is a failure: a test, a suite whose
 * file or hook threw, an error outside any test, a check, a test that never finished, a run that ended early.
 */
import { execFile } from 'node:child_process';
import { startVitest, type TestModule } from 'vitest/node';
import { COMPILE_CACHE } from './deploy/local/compile-cache.ts';

const CHECKS = ['format', 'lint', 'types', 'unused'];

let passed = 0;
let complete = false;
const skipped: string[] = [];
const failed: string[] = [];

process.on('exit', (code) => {
  if (!complete) failed.push(`the run ended early (exit code ${code})`);
  for (const name of skipped) say(`skipped: ${name}`);
  for (const name of failed) say(`failed: ${name}`);
  say(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
  process.exitCode = failed.length === 0 ? 0 : 1;
});

if (!process.version.startsWith('v24.')) failed.push(`Node 24 is needed, this is ${process.version}`);
await Promise.all(CHECKS.map(passes));

say('\n— tests');
process.env['NODE_COMPILE_CACHE'] ??= COMPILE_CACHE;
const vitest = await startVitest(process.argv.slice(2), { watch: false });
const failedChecks = failed.length;
for (const module of vitest.state.getTestModules()) count(module);
for (const error of vitest.state.getUnhandledErrors()) failed.push(`outside any test: ${messageOf(error)}`);
if (process.exitCode && failed.length === failedChecks) failed.push(`the test run (exit code ${process.exitCode})`);
complete = true;
process.exit();

/** At the same time as the other checks, so that what it says is told when it ends. */
async function passes(check: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  execFile(process.execPath, ['--run', check], (error, stdout, stderr) => {
    say(`\n— ${check}\n${stdout}${stderr}`);
    if (error !== null) failed.push(`check ${check}`);
    resolve();
  });
  await promise;
}

function count(module: TestModule): void {
  for (const suite of [module, ...module.children.allSuites()]) {
    const title = suite.type === 'suite' ? ` > ${suite.fullName}` : '';
    if (suite.errors().length > 0) failed.push(`suite ${module.relativeModuleId}${title}`);
  }
  for (const test of module.children.allTests()) {
    const name = `${module.relativeModuleId} > ${test.fullName}`;
    const { state } = test.result();
    if (state === 'passed') passed++;
    else (state === 'skipped' ? skipped : failed).push(name);
  }
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

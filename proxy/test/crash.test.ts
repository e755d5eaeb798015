import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Step } from '../src/failpoints.ts';
import { HOME, TestFederation, type TestGrant } from './federation.ts';

/** The program itself as a process, killed at its own steps and started again on the same folder. */
const OWN = 'CommissionA';
vi.setConfig({ testTimeout: 60_000 });
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
let federation: TestFederation;
let configFile: string;
let folder: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  federation = await TestFederation.open();
  const { address } = await federation.testbed.node(HOME).serve();
  const config = { ...(await federation.config(HOME, OWN)), ledger: { address }, logLevel: 'silent' };
  ({ folder } = config);
  configFile = join(federation.folder, 'config.json');
  await writeFile(configFile, JSON.stringify(config));
});
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await federation[Symbol.asyncDispose]();
});

/** Runs the program, killed at `step`, while `act` talks to it once it is ready; returns how it ended. */
async function run(step: Step | undefined, act: (url: string) => Promise<unknown>): Promise<string> {
  const env = {
    ...process.env,
    NODE_ENV: 'test',
    // The program starts twenty times here: from the second time on it is compiled already.
    NODE_COMPILE_CACHE: join(federation.folder, 'compiled'),
    ...(step !== undefined && { YILIAN_FAIL_AT: step }),
  };
  const child = spawn(process.execPath, [MAIN, configFile], { stdio: ['ignore', 'pipe', 'inherit'], env });
  running.add(child);
  const ended = once(child, 'exit').then(([code, signal]) => String(signal ?? code));
  void ended.then(() => running.delete(child));
  const acted = talk(child, act);
  if (step !== undefined) {
    acted.catch(() => undefined);
    return ended;
  }
  await acted;
  child.kill('SIGTERM');
  return ended;
}

async function talk(child: ChildProcess, act: (url: string) => Promise<unknown>): Promise<void> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const { url } = JSON.parse(line) as { url: string };
    await expect.poll(async () => (await fetch(`${url}/ready`)).status, { timeout: 10_000 }).toBe(200);
    await act(url);
    return;
  }
}

async function post(url: string, path: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

const deliver = (url: string, { grantId, sealed }: TestGrant) =>
  post(url, '/v1/kfrags', { grantId, sealed: sealed.get(OWN) });
const release = (url: string, order: unknown) =>
  post(url, '/v1/releases', federation.envelope(`${HOME}/${OWN}`, 'release', order));
const entry = ({ grantId }: TestGrant) => federation.chain.grantEntry(grantId);
const receipts = async (grant: TestGrant) => (await entry(grant)).destroyed.map(({ document }) => document.mspId);
const wraps = () => readdir(join(folder, 'wrap'));

async function newGrant(): Promise<TestGrant> {
  const patient = await federation.patient();
  await federation.publish(patient);
  return federation.grant(patient, await federation.doctor());
}

test('the program registers its key, serves, and ends when told to', async () => {
  expect(await run(undefined, async () => undefined)).toBe('0');
  expect((await federation.chain.proxies()).map(({ document }) => document.mspId)).toEqual([OWN]);
});

test('killed at each step of taking fragments, it leaves no key without a row, and takes them when they come again', async () => {
  const grant = await newGrant();
  expect(await run('kfrags.wrapped', (url) => deliver(url, grant))).toBe('SIGKILL');
  expect(await wraps()).toEqual([grant.grantId]);
  let kept: string[] = [];
  const again = async (url: string) => {
    kept = await wraps();
    await deliver(url, grant);
  };
  expect(await run('kfrags.stored', again)).toBe('SIGKILL');
  expect(kept).toEqual([]);
  expect(await run('kfrags.acknowledged', (url) => deliver(url, grant))).toBe('SIGKILL');
  await run(undefined, async (url) => {
    expect(await wraps()).toEqual([grant.grantId]);
    expect(await deliver(url, grant)).toEqual({ status: 200, body: { acknowledged: true } });
    expect((await release(url, (await federation.decide(grant)).order)).status).toBe(200);
  });
  expect((await entry(grant)).acknowledgedBy).toEqual([OWN]);
});

test('killed at each step of a release, it carries the release out when asked again', async () => {
  const grant = await newGrant();
  let order: unknown;
  const first = async (url: string) => {
    await deliver(url, grant);
    ({ order } = await federation.decide(grant));
    await release(url, order);
  };
  expect(await run('release.checked', first)).toBe('SIGKILL');
  expect(await run('release.sealed', (url) => release(url, order))).toBe('SIGKILL');
  await run(undefined, async (url) => expect((await release(url, order)).status).toBe(200));
});

test('killed at each step of a destruction in turn, it goes on unasked until all is gone and the chain knows', async () => {
  const grant = await newGrant();
  const revoke = async (url: string) => {
    await deliver(url, grant);
    await post(url, '/v1/revocations', federation.revocation(grant));
  };
  expect(await run('revocation.stopped', revoke)).toBe('SIGKILL');
  expect(await wraps()).toContain(grant.grantId);
  expect((await entry(grant)).revokedAt).toBeUndefined();
  const steps = ['destruction.overwritten', 'destruction.unlinked', 'destruction.erased', 'receipt.committed'] as const;
  for (const step of steps) expect(await run(step, async () => undefined)).toBe('SIGKILL');
  await run(undefined, async () => expect.poll(() => receipts(grant)).toEqual([OWN]));
  expect((await entry(grant)).revokedAt).toBeDefined();
  expect(await wraps()).not.toContain(grant.grantId);
});

test('a configuration that cannot be used is named on stderr, with exit code 2', async () => {
  const child = spawn(process.execPath, [MAIN, join(federation.folder, 'none.json')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) lines.push(line);
  expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(2);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ code: 'CONFIG_INVALID' });
});

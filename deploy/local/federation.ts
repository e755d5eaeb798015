import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readDescription } from './description.ts';
import { DeployError } from './errors.ts';
import { Layout } from './layout.ts';
import { readIfThere } from './pki.ts';
import { RUNNING_FILE, type Running } from './running.ts';

const START_MS = 180_000;
const POLL_MS = 50;

/**
 * Starts the federation of a state folder in the background and waits until it is ready.
 * @throws DeployError STATE_BUSY when it runs already, or with what kept it from starting
 */
export async function up(state: string, description: string | URL, onStep: (step: string) => void): Promise<Layout> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const kept = join(state, 'description.json');
  const wanted = await readDescription(description);
  const known = await readIfThere(kept);
  if (known === undefined) await copyFile(description, kept);
  else if (JSON.stringify(await readDescription(kept)) !== JSON.stringify(wanted)) {
    throw new DeployError('STATE_FOREIGN', `${state} holds another federation; choose another folder or remove it`);
  }
  const before = await running(state);
  if (before !== undefined && (await isOurs(before.pid, state)))
    throw new DeployError('STATE_BUSY', `this federation runs already (process ${before.pid})`);
  await sweep(state, before);
  const log = openSync(join(state, 'supervisor.log'), 'a');
  const supervisor = spawn(process.execPath, [fileURLToPath(new URL('./supervisor.ts', import.meta.url)), state], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  supervisor.unref();
  const { pid } = supervisor;
  const deadline = Date.now() + START_MS;
  let step = '';
  while (Date.now() < deadline) {
    const now = await running(state);
    if (now !== undefined && now.pid === pid) {
      if (now.step !== step) onStep(now.step);
      step = now.step;
      if (now.state === 'ready') return Layout.open(state, wanted);
      if (now.state === 'failed')
        throw new DeployError('PROCESS_FAILED', `${now.failure?.code}: ${now.failure?.message}`);
    }
    if (supervisor.exitCode !== null)
      throw new DeployError('PROCESS_FAILED', `the federation did not start; see ${join(state, 'supervisor.log')}`);
    await delay(POLL_MS);
  }
  throw new DeployError('NOT_READY', 'the federation did not become ready in time');
}

/** The layout of a federation that runs. @throws DeployError NOT_RUNNING */
export async function attach(state: string): Promise<Layout> {
  const now = await running(state);
  if (now?.state !== 'ready' || !(await isOurs(now.pid, state)))
    throw new DeployError('NOT_RUNNING', `no federation runs in ${state}; start one with: yilian up`);
  return Layout.open(state, await readDescription(join(state, 'description.json')));
}

/** Ends it. @throws DeployError NOT_RUNNING */
export async function down(state: string): Promise<void> {
  const now = await running(state);
  if (now === undefined) throw new DeployError('NOT_RUNNING', `no federation runs in ${state}`);
  if (await isOurs(now.pid, state)) {
    process.kill(now.pid, 'SIGTERM');
    while (await isOurs(now.pid, state)) await delay(POLL_MS);
  }
  await sweep(state, now);
}

export async function running(state: string): Promise<Running | undefined> {
  const text = await readIfThere(join(state, RUNNING_FILE));
  return text === undefined ? undefined : (JSON.parse(text) as Running);
}

/** Ends what a killed supervisor left behind. */
async function sweep(state: string, before: Running | undefined): Promise<void> {
  for (const { pid } of before?.processes ?? []) {
    if (!(await isOurs(pid, state))) continue;
    process.kill(pid, 'SIGKILL');
    while (await isOurs(pid, state)) await delay(POLL_MS);
  }
  await rm(join(state, RUNNING_FILE), { force: true });
}

/** Whether a process lives and was started for this state folder: a process id alone may be anyone's by now. */
async function isOurs(pid: number, state: string): Promise<boolean> {
  try {
    const [command, status] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    return command.includes(state) && !/\) Z /.test(status);
  } catch {
    return false;
  }
}

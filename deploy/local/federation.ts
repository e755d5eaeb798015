import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trustOthers } from '../hosts/trust.ts';
import { COMPILE_CACHE } from './compile-cache.ts';
import { DESCRIPTION_FILE, readDescription } from './description.ts';
import type { Engines } from './engines.ts';
import { DeployError, type DeployErrorCode } from './errors.ts';
import { Layout } from './layout.ts';
import { running } from './running.ts';
import type { SupervisorWord } from './supervisor-main.ts';

/** A federation's first state takes about 20 MB. */
const NEEDED_BYTES = 64 * 1024 * 1024;

/** What a host of several starts with. */
export interface HostStart {
  /** The file on which all hosts agreed; needed the first time. */
  readonly agreement?: string;
  /** The file of the private swarm's secret, where Kubo keeps sealed bodies; needed the first time. */
  readonly swarmKey?: string;
  /** How many seconds other hosts may take to do their part; ten minutes when left out. */
  readonly patience?: number;
}

/**
 * Starts the federation of a state folder in the background and waits until it is ready. `description` says who takes
 * part; what the state was founded with when left out, or `federation.json`. So with `engines`, which a new federation
 * is founded on. Aborted before that, it ends what it started.
 * @throws DeployError STATE_BUSY when it runs already, or with what kept it from starting
 */
export async function up(
  state: string,
  description?: string | URL,
  onStep?: (step: string) => void,
  signal?: AbortSignal,
  engines: Partial<Engines> = {},
  host: HostStart = {},
): Promise<Layout> {
  if (description !== undefined) await readDescription(description);
  requireUsable(state);
  const before = await running(state);
  if (before !== undefined) throw new DeployError('STATE_BUSY', `this federation runs already (process ${before.pid})`);
  signal?.throwIfAborted();
  const supervisor = spawnSupervisor(state, description, engines, host);
  const interrupt = (): void => void supervisor.kill('SIGTERM');
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    await ready(supervisor, state, onStep);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', interrupt);
    if (supervisor.connected) supervisor.disconnect();
    supervisor.unref();
  }
  return attach(state);
}

/** The layout of a federation that runs. @throws DeployError NOT_RUNNING NOT_READY */
export async function attach(state: string): Promise<Layout> {
  const now = await running(state);
  if (now === undefined)
    throw new DeployError('NOT_RUNNING', `no federation runs in ${state}; start one with: yilian up`);
  if (now.state === 'starting') throw new DeployError('NOT_READY', `the federation is starting: ${now.step}`);
  const layout = await Layout.open(state, await readDescription(join(state, DESCRIPTION_FILE)));
  trustOthers(await layout.tlsRootsFile());
  return layout;
}

function spawnSupervisor(
  state: string,
  description: string | URL | undefined,
  engines: Partial<Engines>,
  { agreement, swarmKey, patience }: HostStart,
): ChildProcess {
  const { YILIAN_PASSPHRASE: _, ...env } = process.env;
  const script = fileURLToPath(new URL('./supervisor-main.ts', import.meta.url));
  const options = [
    ...(description === undefined ? [] : ['--description', pathOf(description)]),
    ...Object.entries(engines).flatMap(([kind, engine]) => [`--${kind}`, engine]),
    ...(agreement === undefined ? [] : ['--agreement', resolve(agreement)]),
    ...(swarmKey === undefined ? [] : ['--swarm-key', resolve(swarmKey)]),
    ...(patience === undefined ? [] : ['--patience', `${patience}`]),
  ];
  const log = openSync(join(state, 'supervisor.log'), 'a', 0o600);
  try {
    return spawn(process.execPath, [script, state, ...options], {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...env, NODE_COMPILE_CACHE: COMPILE_CACHE },
    });
  } finally {
    closeSync(log);
  }
}

function pathOf(file: string | URL): string {
  return typeof file === 'string' ? resolve(file) : fileURLToPath(file);
}

async function ready(supervisor: ChildProcess, state: string, onStep?: (step: string) => void): Promise<void> {
  const heard = new Promise<void>((resolve, reject) => {
    supervisor.on('message', (word: SupervisorWord) => {
      if ('step' in word) onStep?.(word.step);
      else if ('ready' in word) resolve();
      else reject(new DeployError(word.failed.code as DeployErrorCode, word.failed.message));
    });
  });
  const ended = once(supervisor, 'disconnect').then(() => {
    throw new DeployError('PROCESS_FAILED', `the federation did not start; see ${join(state, 'supervisor.log')}`);
  });
  await Promise.race([heard, ended]).catch(async (error: unknown) => {
    if (supervisor.exitCode === null && supervisor.signalCode === null) await once(supervisor, 'exit');
    throw error;
  });
}

function requireUsable(state: string): void {
  try {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = statfsSync(state);
    if (bavail * bsize < NEEDED_BYTES)
      throw new DeployError('DISK_FULL', `less than ${NEEDED_BYTES / 2 ** 20} MiB are free at ${state}`);
    closeSync(openSync(join(state, 'supervisor.log'), 'a', 0o600));
  } catch (cause) {
    if (cause instanceof DeployError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new DeployError('DISK_FULL', `no space is left at ${state}`, { cause });
    throw new DeployError('STATE_UNUSABLE', `${state} cannot be used (${code ?? 'unknown'})`, { cause });
  }
}

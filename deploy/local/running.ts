import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeWhole } from '@yilian/service';
import { DeployError } from './errors.ts';
import { readIfThere } from './files.ts';

/** One process, told apart from any later one with the same id. */
export interface Alive {
  readonly pid: number;
  readonly birth: string;
}

/** `waiting`: it ended and is started again after a pause. */
export type ProcessState = 'starting' | 'running' | 'waiting';

export interface RunningProcess extends Alive {
  readonly name: string;
  readonly state: ProcessState;
  readonly restarts: number;
  /** Why it ended the last time. */
  readonly ended?: string;
}

/** What a running federation leaves in its state folder for other terminals. */
export interface Running extends Alive {
  readonly state: 'starting' | 'ready' | 'changing';
  readonly step: string;
  readonly engines: Readonly<Record<string, string>>;
  /** Where the supervisor takes orders, once it is ready: see `control.ts`. */
  readonly control?: string;
  readonly processes: readonly RunningProcess[];
}

const POLL_MS = 20;
const TERM_MS = 5_000;
/** Longer than a supervisor gives its processes. */
const STOP_MS = 30_000;
const fileOf = (state: string): string => join(state, 'running.json');

/** No process outlives a power cut, so this note of them need not. */
export function writeRunning(state: string, running: Running): void {
  writeWhole(fileOf(state), JSON.stringify(running, null, 2), { durable: false });
}

export function forgetRunning(state: string): void {
  rmSync(fileOf(state), { force: true });
}

/** What the last supervisor of this state wrote, whether or not it lives. */
export async function lastRunning(state: string): Promise<Running | undefined> {
  const text = await readIfThere(fileOf(state));
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Running);
  } catch {
    return undefined;
  }
}

/** The federation of this state, if its supervisor lives. */
export async function running(state: string): Promise<Running | undefined> {
  const last = await lastRunning(state);
  return last !== undefined && isAlive(last) ? last : undefined;
}

/** Ends the federation of this state, and what a killed supervisor left. @throws DeployError NOT_RUNNING */
export async function down(state: string): Promise<void> {
  const last = await lastRunning(state);
  if (last === undefined) throw new DeployError('NOT_RUNNING', `no federation runs in ${state}`);
  await end(last, STOP_MS);
  const now = await lastRunning(state);
  if (now !== undefined && now.pid !== last.pid) return;
  await Promise.all((now ?? last).processes.map((left) => end(left)));
  forgetRunning(state);
}

/** When a process of this machine began: boot and clock ticks since. Nothing when it is gone. */
export function birthOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // While a thread of it lives, so do its locks.
    const isOver = state === 'X' || (state === 'Z' && Number(fields[16]) <= 1);
    return isOver ? undefined : `${boot()} ${fields[18]}`;
  } catch {
    return undefined;
  }
}

/** Whether it still is the same process: an id alone may be anyone's by now. */
export function isAlive({ pid, birth }: Alive): boolean {
  return birthOf(pid) === birth;
}

/** Ends a process, gently first, and waits until it is gone. */
export async function end(process: Alive, patienceMs = TERM_MS): Promise<void> {
  signal(process, 'SIGTERM');
  for (const deadline = Date.now() + patienceMs; isAlive(process) && Date.now() < deadline; ) await delay(POLL_MS);
  signal(process, 'SIGKILL');
  while (isAlive(process)) await delay(POLL_MS);
}

function signal(target: Alive, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (isAlive(target)) process.kill(target.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function boot(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

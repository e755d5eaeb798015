import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeWhole } from '@yilian/service';
import { adopt } from '../hosts/ceremony.ts';
import { trustOthers } from '../hosts/trust.ts';
import { requireRestored } from './backup/restoring.ts';
import { forget } from './control.ts';
import { DESCRIPTION_FILE, type Description, readDescription } from './description.ts';
import { type Engines, parseEngines, rememberEngines, requireSameEngines } from './engines.ts';
import { DeployError, told } from './errors.ts';
import { FileLock } from './file-lock.ts';
import { readIfThere } from './files.ts';
import { readBefore } from './growth.ts';
import { Layout } from './layout.ts';
import { end, forgetRunning, lastRunning } from './running.ts';
import { findSources } from './sources.ts';
import { Supervisor } from './supervisor.ts';

/** What the supervisor tells whoever started it, over the channel between the two processes. */
export type SupervisorWord =
  | { readonly step: string }
  | { readonly ready: true }
  | { readonly failed: { readonly code: string; readonly message: string } };

const DEFAULT = new URL('./federation.json', import.meta.url);

const USAGE = `STATE-FOLDER [--description FILE] [--engine ENGINE] [--vault ENGINE]
  [--agreement FILE] [--swarm-key FILE] [--patience SECONDS]`;

/** What only a host of several is told. */
interface HostOptions {
  readonly agreement?: string | undefined;
  readonly 'swarm-key'?: string | undefined;
  /** Seconds. */
  readonly patience?: string | undefined;
}

/** `node supervisor-main.ts` with {@link USAGE}: holds the state's lock as long as it lives. */
async function main(
  state: string,
  given: string | undefined,
  engines: Partial<Engines>,
  host: HostOptions,
): Promise<void> {
  const lock = FileLock.tryTake(join(state, 'supervisor.lock'));
  if (lock === undefined) throw new DeployError('STATE_BUSY', `another process is running the federation of ${state}`);
  process.once('exit', () => lock[Symbol.dispose]());
  const { description, before, sources } = await described(state, given, engines);
  await sweep(state);
  if (host.agreement !== undefined) await adopt(state, host.agreement, host['swarm-key']);
  const layout = await Layout.open(state, description, before);
  trustOthers(await layout.tlsRootsFile());
  const supervisor = new Supervisor(layout, sources, (step) => say({ step }), {
    patienceMs: host.patience === undefined ? undefined : Number(host.patience) * 1000,
  });
  // Its log may find no room.
  process.stderr.on('error', () => undefined);
  let stopping = false;
  const stop = (exitCode: number): void => {
    stopping = true;
    void supervisor.stop().finally(() => process.exit(exitCode));
  };
  process.on('SIGTERM', () => stop(0));
  process.on('SIGINT', () => stop(0));
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    stop(1);
  });
  try {
    await supervisor.start();
    say({ ready: true });
  } catch (error) {
    if (stopping) return;
    await supervisor.stop();
    throw error;
  }
}

/**
 * The description this state was founded with, on the engines asked for, and the programs of these.
 * @throws DeployError STATE_FOREIGN ENGINE_DIFFERS KUBO_MISSING KUBO_UNFIT FABRIC_MISSING FABRIC_UNFIT DESCRIPTION_INVALID FILE_UNREADABLE
 */
async function described(state: string, given: string | undefined, engines: Partial<Engines>) {
  requireRestored(state);
  const kept = join(state, DESCRIPTION_FILE);
  const known = await readIfThere(kept);
  if (known === undefined) {
    const description = await readDescription(given ?? DEFAULT);
    requireNoHosts(description);
    // What cannot run here is not kept: the next `up` may choose otherwise.
    const sources = await findSources(engines);
    rememberEngines(state, engines);
    writeWhole(kept, JSON.stringify(description, null, 2));
    return { description, before: undefined, sources };
  }
  const description = await readDescription(kept);
  if (given !== undefined && JSON.stringify(await readDescription(given)) !== JSON.stringify(description))
    throw new DeployError('STATE_FOREIGN', `${state} holds another federation; choose another folder or remove it`);
  const sources = await findSources(await requireSameEngines(state, engines));
  return { description, before: await readBefore(state), sources };
}

/** A host's state begins with its keys. @throws DeployError USAGE */
function requireNoHosts({ hosts }: Description): void {
  if (hosts !== undefined)
    throw new DeployError('USAGE', 'the description names hosts; say which one this is with: yilian host keys');
}

/** Ends what a killed supervisor left behind. */
async function sweep(state: string): Promise<void> {
  const last = await lastRunning(state);
  await Promise.all((last?.processes ?? []).map((left) => end(left)));
  if (last?.control !== undefined) forget(last.control);
  forgetRunning(state);
}

function say(word: SupervisorWord): void {
  if (process.connected) process.send?.(word, undefined, {}, () => undefined);
}

const options = {
  description: { type: 'string' },
  engine: { type: 'string' },
  vault: { type: 'string' },
  agreement: { type: 'string' },
  'swarm-key': { type: 'string' },
  patience: { type: 'string' },
} as const;
const { values, positionals } = parseArgs({ allowPositionals: true, options });
const [state] = positionals;
const engines = parseEngines(values);
if (state === undefined || engines === undefined) {
  process.stderr.write(`usage: ${USAGE}\n`);
  process.exit(2);
}
await main(state, values.description, engines, values).catch((error: unknown) => {
  const failed = told(error);
  process.stderr.write(`${JSON.stringify({ at: Date.now(), ...failed })}\n`);
  if (process.connected) process.send?.({ failed } satisfies SupervisorWord, () => process.exit(1));
  else process.exit(1);
});

import { DeployError } from '../local/errors.ts';
import { FabricChains } from '../local/fabric.ts';
import { FileLock } from '../local/file-lock.ts';
import { found } from '../local/founding.ts';
import type { Layout } from '../local/layout.ts';
import { programs, type Stages } from '../local/programs.ts';
import { openHost } from './ceremony.ts';
import { trustOthers } from './trust.ts';

/** A host of which everything is written that its programs start with. */
interface PreparedHost {
  readonly layout: Layout;
  readonly fabric: FabricChains;
  readonly stages: Stages;
}

/** Redis comes from its own image. */
const REDIS = { kind: 'server', program: 'redis-server', version: '' } as const;

/**
 * Writes what the programs of a host start with, and says which they are; it can be done again while they run.
 * @throws DeployError NOT_AGREED, and what {@link FabricChains.prepare} throws
 */
export async function prepareHost(state: string, say: (line: string) => void): Promise<PreparedHost> {
  const { layout, sources } = await openHost(state);
  const { fabric: binaries, kubo } = sources;
  if (layout.agreement === undefined || binaries === undefined)
    throw new DeployError('NOT_AGREED', `${state} has not agreed with the other hosts; see: yilian host agree`);
  const fabric = await FabricChains.prepare(layout, binaries);
  return { layout, fabric, stages: await programs(layout, REDIS, kubo, fabric, say) };
}

/**
 * Founds what of a federation is on a host whose chains run as containers, once.
 * @throws DeployError STATE_BUSY NOT_AGREED; NOT_READY when other hosts take too long; FabricError
 */
export async function foundHost(
  state: string,
  { say, signal, patienceMs }: { say: (line: string) => void; signal: AbortSignal; patienceMs?: number | undefined },
): Promise<void> {
  using lock = FileLock.tryTake(`${state}/supervisor.lock`);
  if (lock === undefined) throw new DeployError('STATE_BUSY', `another process is running the federation of ${state}`);
  const { layout, fabric } = await prepareHost(state, say);
  trustOthers(await layout.tlsRootsFile());
  say('joining peers and orderers, committing the contracts');
  await fabric.found(signal, patienceMs);
  say('founding the federation');
  await found(layout, { signal, patienceMs });
}

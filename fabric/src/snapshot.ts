import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { asked, type Change, type ChangeOptions, perform, type Step } from './change.ts';
import { everywhere } from './everywhere.ts';
import { type Administrator, flags, hasJoined, installPackage, peerHeight, peer as run } from './lifecycle.ts';
import type { Site } from './site.ts';
import { until } from './until.ts';

const SNAPSHOT_MS = 120_000;

/** The peer that joins, and the peer of the same organisation whose state it takes. */
export interface SnapshotJoin {
  readonly mspId: string;
  readonly peer: string;
  readonly from: string;
}

/**
 * Joins a peer that runs to the channel by a snapshot of another: it has the state and all blocks from there on, but no
 * older blocks and no older history of keys.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY FABRIC_UNPLANNED
 */
export async function joinFromSnapshot(
  site: Site,
  { mspId, peer, from }: SnapshotJoin,
  options: ChangeOptions,
): Promise<Change> {
  const { signal } = options;
  const { channel } = site.plan;
  const source = site.administrator(mspId, from);
  const joining = site.administrator(mspId, peer);
  const completed = join(site.home(mspId), 'peers', from, 'data/snapshots/completed', channel);
  const step: Step = {
    what: `${peer} of ${mspId} joins ${channel} by a snapshot of ${from}`,
    run: async () => {
      const snapshot = await snapshotOf(source, channel, completed, signal);
      await run(joining, ['channel', 'joinbysnapshot', '--snapshotpath', snapshot], signal);
      await until(`${peer} of ${mspId} does not end joining ${channel}`, () => hasJoined(joining, channel, signal), {
        withinMs: SNAPSHOT_MS,
        signal,
      });
      if (site.organisation(mspId).contracts !== undefined)
        for (const each of site.packages) await installPackage(joining, site.packageFile(each), signal);
      await everywhere(site, [mspId], signal);
    },
  };
  return perform((await asked(hasJoined(joining, channel, signal), options, false)) ? [] : [step], options);
}

/** The folder of a snapshot as of now; one of the same block is taken as it is. */
async function snapshotOf(
  source: Administrator,
  channel: string,
  completed: string,
  signal?: AbortSignal,
): Promise<string> {
  const last = (await peerHeight(source, channel, signal)) - 1;
  const found = () => newestSince(completed, last);
  if (found() === undefined) {
    const { address, roots } = source;
    const at = flags({ channelID: channel, peerAddress: address, tlsRootCertFile: roots });
    await run(source, ['snapshot', 'submitrequest', '--blockNumber', '0', ...at], signal);
    await until(`${address} does not complete a snapshot of ${channel}`, async () => found() !== undefined, {
      withinMs: SNAPSHOT_MS,
      signal,
    });
  }
  return join(completed, `${found() ?? last}`);
}

function newestSince(completed: string, block: number): number | undefined {
  try {
    const blocks = readdirSync(completed).map(Number);
    return blocks.filter((each) => each >= block).toSorted((one, other) => other - one)[0];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

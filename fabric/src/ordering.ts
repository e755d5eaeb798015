import { readFileSync } from 'node:fs';
import { type Change, type ChangeOptions, perform, type Step } from './change.ts';
import { type ChannelConfig, membersOf } from './channel-config.ts';
import { readConfiguration, reconfigurationStep } from './configuration.ts';
import { type Consenter, consentersOf, partsFor, putConsenter, removeConsenter } from './consenters.ts';
import { everywhere } from './everywhere.ts';
import { joinOrderer, leaveOrderer, orderingFlags, peer } from './lifecycle.ts';
import { entryOf } from './membership.ts';
import { addressOf, type OrdererPlan } from './plan.ts';
import type { Site } from './site.ts';
import { until } from './until.ts';

const SETTLED_MS = 60_000;

/**
 * Makes an orderer that runs a consenter of the channel, its organisation one that orders where it is not, and returns
 * when it orders with the others. One at a time: Fabric refuses another before that.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY FABRIC_UNPLANNED FABRIC_SIGNATURES
 */
export async function addOrderer(site: Site, name: string, options: ChangeOptions): Promise<Change> {
  const { signal } = options;
  const { channel } = site.plan;
  const orderer = site.orderer(name);
  const { mspId, admin } = orderer;
  const group = await entryOf(site, mspId, signal);
  const put = (config: ChannelConfig, consenter: Consenter) => putConsenter(config, consenter, group);
  const entry = await entryStep(site, orderer, 'becomes a consenter', put, options);
  const joining: Step = {
    what: `${name} joins ${channel}`,
    run: async () => {
      const genesis = site.path('orderers', name, 'join.block');
      const now = await readConfiguration(site, { signal, without: [name], block: genesis });
      const files = { ...site.administratorTls(mspId), genesis };
      await joinOrderer(site.binaries, channel, addressOf(admin), files, signal);
      await settled(site, consentersOf(now).length, [name], signal);
      await everywhere(site, membersOf(now), signal);
    },
  };
  const status = await site.status(orderer, signal);
  const orders = entry.length === 0 && status?.relation === 'consenter' && status.status === 'active';
  return perform([...entry, ...(orders ? [] : [joining])], options);
}

/**
 * Removes a consenter, which may run or not, and returns when the others order without it; its process may then be
 * stopped. A submit that fails meanwhile, because the leader went, is to be retried.
 * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY FABRIC_UNPLANNED FABRIC_SIGNATURES; FABRIC_QUORUM when too few would be left
 */
export async function removeOrderer(site: Site, name: string, options: ChangeOptions): Promise<Change> {
  const { signal } = options;
  const { channel } = site.plan;
  const orderer = site.orderer(name);
  const entry = await entryStep(site, orderer, 'is no longer a consenter', removeConsenter, options);
  const leaving: Step = {
    what: `${name} leaves ${channel}`,
    run: async () => {
      const now = await readConfiguration(site, { signal, without: [name] });
      await settled(site, consentersOf(now).length, [], signal, [name]);
      await leaveOrderer(
        site.binaries,
        channel,
        addressOf(orderer.admin),
        site.administratorTls(orderer.mspId),
        signal,
      );
      await everywhere(site, membersOf(now), signal);
    },
  };
  const there = (await site.status(orderer, signal)) !== undefined;
  return perform([...entry, ...(there ? [leaving] : [])], options);
}

/** The update of the channel about one orderer, of which that orderer is not asked. */
async function entryStep(
  site: Site,
  orderer: OrdererPlan,
  becomes: string,
  change: (config: ChannelConfig, consenter: Consenter) => void,
  options: ChangeOptions,
): Promise<readonly Step[]> {
  const { name, mspId } = orderer;
  const config = await readConfiguration(site, { signal: options.signal, without: [name] });
  const consenter = consenterOf(site, orderer);
  return reconfigurationStep(
    site,
    config,
    {
      what: `${name} of ${mspId} ${becomes} of ${site.plan.channel}`,
      parts: partsFor(config, consenter),
      change: (each) => change(each, consenter),
      without: [name],
    },
    options,
  );
}

/** An orderer as it is planned, with the certificates it has now. */
export function consenterOf(site: Site, orderer: OrdererPlan): Consenter {
  const files = site.genesisFiles();
  const { mspId, endpoint } = orderer;
  const [identity, tls] = [files.identity(orderer), files.tls(orderer)].map((file) => readFileSync(file, 'utf8'));
  return { ...endpoint, mspId, identity: identity ?? '', tls: tls ?? '' };
}

/**
 * Returns when these orderers are consenters as far along as the others, and, with Raft, when there is a leader of as
 * many as the channel names; with orderers named, one that is connected to all of them.
 */
export async function settled(
  site: Site,
  size: number,
  names: readonly string[],
  signal?: AbortSignal,
  without: readonly string[] = [],
): Promise<void> {
  const { channel, consensus, orderers } = site.plan;
  const others = orderers.filter(({ name }) => !without.includes(name));
  const look = async (): Promise<boolean> => {
    const statuses = await Promise.all(
      others.map(async (each) => ({ name: each.name, status: await site.status(each, signal) })),
    );
    const height = Math.max(...statuses.map(({ status }) => status?.height ?? 0));
    const along = statuses
      .filter(({ name }) => names.includes(name))
      .every(({ status }) => status?.relation === 'consenter' && status.status === 'active' && status.height >= height);
    const running = others.filter(({ name }) =>
      statuses.some((each) => each.name === name && each.status?.relation === 'consenter'),
    );
    if (along && (consensus === 'bft' || (await hasLeader(others, channel, size, names.length > 0)))) {
      const serving = await Promise.all(running.map((each) => serves(site, each, signal)));
      return serving.every(Boolean);
    }
    return false;
  };
  const otherwise = `the orderers of ${channel} do not order together: ${names.join(', ')}`;
  await until(otherwise, look, { withinMs: SETTLED_MS, signal });
}

/** An orderer that knows no leader, and so orders nothing, gives no blocks either unless it is asked for its best effort. */
async function serves(site: Site, orderer: OrdererPlan, signal?: AbortSignal): Promise<boolean> {
  const block = site.path('orderers', orderer.name, 'newest.block');
  const ordering = orderingFlags(site.ordererAccess(orderer));
  const args = ['channel', 'fetch', 'newest', block, '-c', site.plan.channel, ...ordering];
  try {
    await peer(site.administrator(orderer.mspId), args, signal);
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

async function hasLeader(
  orderers: readonly OrdererPlan[],
  channel: string,
  size: number,
  connected: boolean,
): Promise<boolean> {
  const answers = await Promise.all(
    orderers.map(async ({ operations }) => {
      try {
        return await (await fetch(`http://${addressOf(operations)}/metrics`)).text();
      } catch {
        return '';
      }
    }),
  );
  return answers.some((text) => {
    const metric = (name: string) => metricOf(text, `consensus_etcdraft_${name}`, channel);
    return (
      metric('is_leader') === 1 && metric('cluster_size') === size && (!connected || metric('active_nodes') === size)
    );
  });
}

/** A gauge of a channel in Prometheus' text format. */
function metricOf(text: string, name: string, channel: string): number | undefined {
  const start = `${name}{channel="${channel}"} `;
  const line = text.split('\n').find((each) => each.startsWith(start));
  return line === undefined ? undefined : Number(line.slice(start.length));
}

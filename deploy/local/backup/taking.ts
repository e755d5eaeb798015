import { chmodSync, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { isFull } from '@yilian/service';
import { DeployError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import { copyBodies } from './bodies.ts';
import { copiedHeight, heightsOf } from './heights.ts';
import { type Manifest, type NetworkHeight, seal } from './manifest.ts';
import { BODIES, identitiesOf, isNotIdentity, KEPT, type Node, nodesOf, proxyFolders, SECRET } from './parts.ts';
import { copyQueue } from './queue-copy.ts';
import { TreeCopy } from './tree-copy.ts';

/** What a backup needs of whoever runs the federation. */
export interface Host {
  readonly layout: Layout;
  readonly versions: Readonly<Record<string, string>>;
  readonly runs: (process: string) => boolean;
  /** Does something while none of these processes runs. */
  readonly without: <T>(processes: readonly string[], work: () => Promise<T>) => Promise<T>;
  /** Returns when everything serves. */
  readonly ready: () => Promise<void>;
  readonly say: (step: string) => void;
  readonly signal: AbortSignal;
}

/** What a backup would do, step by step. */
export function backupSteps(host: Host): readonly string[] {
  const { description } = host.layout;
  const { peers, ordering } = nodesOf(host.layout);
  return [
    ...description.regions.map(({ region }) =>
      host.runs(`${region}/redis`)
        ? `copy ${region}/redis`
        : `leave the Redis of ${region} to whom it belongs: REDIS_URLS names it`,
    ),
    ...proxyFolders(host.layout).map(({ folder }) => `copy ${folder}, without wrap`),
    ...peers.map(({ process }) => `end ${process}, copy it, start it`),
    `end ${ordering.map(({ process }) => process).join(', ')}; copy them; start them`,
    ...description.regions.map(({ region }) => `copy the sealed bodies of ${region}`),
    'copy the pseudonym service, descriptions, identities and keys',
  ];
}

/**
 * Makes a folder a backup of a federation that runs. What is referred to is copied after what refers to it: queues and
 * proxies' books, peers, orderers, bodies. Fails as a whole: what it wrote until then is removed.
 * @throws DeployError BACKUP_UNUSABLE DISK_FULL NOT_READY PROCESS_FAILED REDIS_UNREACHABLE
 */
export async function takeBackup(host: Host, folder: string): Promise<Manifest> {
  const { layout, say, signal } = host;
  await requireUsable(layout.state, folder);
  try {
    for (const { region } of layout.description.regions) {
      if (!host.runs(`${region}/redis`)) {
        say(`the Redis of ${region} is not ours to copy: back up what REDIS_URLS names as well`);
        continue;
      }
      say(`copying ${region}/redis`);
      const name = join(region, 'redis');
      await copyQueue(layout.port(`${region}/redis`), layout.path(name), join(folder, KEPT, name), signal);
    }
    await copyProxies(host, folder);
    const copies: Copied[] = [];
    const { peers, ordering } = nodesOf(layout);
    for (const peer of peers) copies.push(...(await copyPeer(host, folder, peer)));
    const { takenAt, heights } = await copyOrdering(host, folder, ordering);
    say('copying the sealed bodies');
    const missing = await copyBodies(layout, join(folder, BODIES), signal);
    for (const { region, cid } of missing) say(`${cid} of ${region}: no holder has this body whole`);
    await copyIdentities(host, folder);
    say('hashing every file');
    const networks = [...heights].map(
      ([network, height]): NetworkHeight => ({
        network,
        height,
        copies: copies
          .filter(({ channel }) => channel === network)
          .map(({ process, height: own }) => ({ process, height: own })),
      }),
    );
    const { federation } = layout.description;
    return await seal(
      folder,
      { federation, takenAt, versions: { ...host.versions }, networks, missing: [...missing] },
      signal,
    );
  } catch (error) {
    await empty(folder);
    if (isFull(error)) throw new DeployError('DISK_FULL', `no space is left for ${folder}`, { cause: error });
    throw error;
  }
}

interface Copied {
  readonly process: string;
  readonly channel: string;
  readonly height: number;
}

/** Its height is what it has when it serves again: the copy has no more. */
async function copyPeer({ layout, without, ready, say, signal }: Host, folder: string, peer: Node): Promise<Copied[]> {
  const { process, operations = '' } = peer;
  say(`copying ${process}`);
  const copy = new TreeCopy(layout.path(peer.folder), join(folder, KEPT, peer.folder));
  await copy.pass(signal);
  await without([process], () => copy.pass(signal));
  await ready();
  const heights = await heightsOf(layout, operations, peer.channels, signal);
  return peer.channels.map((channel) => ({ process, channel, height: heights.get(channel) ?? 0 }));
}

/** While nobody orders, every peer comes to have what was ordered: that is the height of its network. */
async function copyOrdering(
  { layout, without, ready, say, signal }: Host,
  folder: string,
  ordering: readonly Node[],
): Promise<{ readonly takenAt: number; readonly heights: ReadonlyMap<string, number> }> {
  const copies = ordering.map((node) => new TreeCopy(layout.path(node.folder), join(folder, KEPT, node.folder)));
  for (const copy of copies) await copy.pass(signal);
  const names = ordering.map(({ process }) => process);
  say(`ordering stands still while ${names.join(', ')} are copied`);
  const found = await without(names, async () => {
    const takenAt = Date.now();
    for (const copy of copies) await copy.pass(signal);
    return { takenAt, heights: await heightsNow(layout, folder, ordering, signal) };
  });
  await ready();
  return found;
}

async function heightsNow(
  layout: Layout,
  folder: string,
  ordering: readonly Node[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const highest = new Map(ordering.map(({ network }) => [network, 0]));
  const tell = (network: string, height: number): void =>
    void highest.set(network, Math.max(height, highest.get(network) ?? 0));
  if (layout.engines.engine === 'embedded')
    for (const node of ordering) tell(node.network, copiedHeight(join(folder, KEPT, node.folder, 'ledger.sqlite')));
  else
    for (const { operations = '', channels } of nodesOf(layout).peers) {
      const heights = await heightsOf(layout, operations, channels, signal);
      for (const channel of channels) tell(channel, heights.get(channel) ?? 0);
    }
  return highest;
}

/** Never their `wrap`: what a backup keeps cannot be destroyed. */
async function copyProxies({ layout, say }: Host, folder: string): Promise<void> {
  say('copying what proxies know of grants, without the keys of the fragments');
  for (const proxy of proxyFolders(layout)) {
    await copyDatabase(layout.path(proxy.folder, 'grants.db'), join(folder, KEPT, proxy.folder, 'grants.db'));
    await copyOne(layout.path(proxy.folder, 'keys/transport'), join(folder, SECRET, proxy.folder, 'keys/transport'));
  }
}

async function copyIdentities({ layout, say, signal }: Host, folder: string): Promise<void> {
  say('copying the pseudonym service, descriptions, identities and keys');
  await copyDatabase(layout.path('pseudonyms/requests.db'), join(folder, KEPT, 'pseudonyms/requests.db'));
  await copyOne(layout.path('pseudonyms/audit.log'), join(folder, SECRET, 'pseudonyms/audit.log'));
  await copyOne(layout.path('pseudonyms/prf.key'), join(folder, SECRET, 'pseudonyms/prf.key'));
  for (const name of identitiesOf(layout)) {
    const [from, to] = [layout.path(name), join(folder, SECRET, name)];
    if (!existsSync(from)) continue;
    if ((await readdir(from).catch(() => undefined)) === undefined) await copyOne(from, to);
    else await new TreeCopy(from, to, isNotIdentity).pass(signal);
  }
}

/** By SQLite's own backup, whoever has the database open. */
async function copyDatabase(from: string, to: string): Promise<void> {
  await mkdir(join(to, '..'), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(from, { readOnly: true });
  try {
    await backup(database, to);
    chmodSync(to, 0o600);
  } finally {
    database.close();
  }
}

async function copyOne(from: string, to: string): Promise<void> {
  await mkdir(join(to, '..'), { recursive: true, mode: 0o700 });
  await copyFile(from, to);
  chmodSync(to, 0o600);
}

async function requireUsable(state: string, folder: string): Promise<void> {
  const within = relative(resolve(state), resolve(folder));
  if (within === '' || !within.startsWith('..'))
    throw new DeployError('BACKUP_UNUSABLE', `${folder} lies in the state that is to be backed up`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ((await readdir(folder)).length > 0) throw new DeployError('BACKUP_UNUSABLE', `${folder} is not empty`);
    chmodSync(folder, 0o700);
  } catch (cause) {
    if (cause instanceof DeployError || (cause as NodeJS.ErrnoException).code === 'ENOSPC') throw cause;
    throw new DeployError(
      'BACKUP_UNUSABLE',
      `${folder} cannot be used (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`,
      { cause },
    );
  }
  const { bavail } = await statfs(folder);
  if (bavail === 0) throw new DeployError('DISK_FULL', `no space is left for ${folder}`);
}

async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
}

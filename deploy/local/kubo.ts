import { execFile } from 'node:child_process';
import { mkdir, rename, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inPath, writeWhole } from '@yilian/service';
import type { Program } from './child.ts';
import { hospitals, type RegionDescription } from './description.ts';
import { DeployError } from './errors.ts';
import { readIfThere, readJsonIfThere } from './files.ts';
import type { Layout } from './layout.ts';

const run = promisify(execFile);
const INIT_MS = 30_000;
const WANTED = '0.30 or later, below 1,';
/** As Kubo lays out a repository by itself, but that every block is synced. */
const DATASTORE = {
  type: 'mount',
  mounts: [
    {
      mountpoint: '/blocks',
      type: 'flatfs',
      prefix: 'flatfs.datastore',
      path: 'blocks',
      shardFunc: '/repo/flatfs/shard/v1/next-to-last/2',
      sync: true,
    },
    { mountpoint: '/', type: 'levelds', prefix: 'leveldb.datastore', path: 'datastore', compression: 'none' },
  ],
};

/** A Kubo that can be started. */
export interface KuboSource {
  readonly program: string;
  readonly version: string;
}

/** One holder's node: what it is called, and where it lies and listens. */
interface Node {
  readonly name: string;
  readonly repository: string;
  readonly rpcPort: number;
  readonly swarmListen: string;
  /** Where the other nodes reach it. */
  readonly swarmAddress: string;
}

type Config = Readonly<Record<string, unknown>> & { readonly Identity: { readonly PeerID: string } };

/** Finds `ipfs` in PATH. @throws DeployError KUBO_MISSING KUBO_UNFIT */
export async function findKubo(env: Readonly<Record<string, string | undefined>> = process.env): Promise<KuboSource> {
  const program = await inPath(['ipfs'], env['PATH']);
  if (program === undefined)
    throw new DeployError(
      'KUBO_MISSING',
      `no ipfs found in PATH. Install Kubo, ${WANTED} from https://dist.ipfs.tech/#kubo, or leave --vault kubo out`,
    );
  const { stdout } = await run(program, ['version', '--number']).catch((cause: unknown) => {
    throw new DeployError('KUBO_UNFIT', `${program} does not run`, { cause });
  });
  const [version = '', major, minor] = /^(\d+)\.(\d+)\.\d+\S*/.exec(stdout) ?? [];
  if (Number(major) === 0 && Number(minor) >= 30) return { program, version };
  throw new DeployError('KUBO_UNFIT', `${program} is Kubo ${version || 'of no known version'}; ${WANTED} is needed`);
}

/**
 * One node for each holder of this machine, its repository made the first time. They share a swarm key and know each other's addresses;
 * nobody else can reach them, and they look for nobody.
 * @throws DeployError STATE_DAMAGED PROCESS_FAILED
 */
export async function kuboNodes(
  layout: Layout,
  { program }: KuboSource,
  say: (line: string) => void,
): Promise<Program[]> {
  const nodes = nodesOf(layout, layout.regions);
  const configs = await repositories(nodes, program, say);
  const own = nodes.map(({ swarmAddress }, index) => ({
    ID: configs[index]?.Identity.PeerID,
    Addrs: [swarmAddress],
  }));
  const elsewhere = nodesOf(
    layout,
    layout.description.regions.filter((region) => !layout.regions.includes(region)),
  ).map(({ name, swarmAddress }) => ({
    ID: layout.bundleOf(({ kubo }) => kubo[name] !== undefined, name).kubo[name],
    Addrs: [swarmAddress],
  }));
  const swarmKey = `/key/swarm/psk/1.0.0/\n/base16/\n${await readIfThere(await layout.secret('swarm-secret'))}\n`;
  return nodes.map((node, index) => {
    const { name, repository, rpcPort } = node;
    const settings = settingsOf(node, [...own.toSpliced(index, 1), ...elsewhere]);
    writeWhole(join(repository, 'swarm.key'), swarmKey);
    writeWhole(join(repository, 'config'), JSON.stringify(merged(configs[index] ?? {}, settings), null, 2));
    return {
      name,
      command: program,
      args: ['daemon', '--migrate=false'],
      env: kuboEnvironment(repository),
      logFile: layout.logFile(name),
      ready: rpcPort,
    };
  });
}

/** The peer ids of this machine's nodes, by their names; their repositories are made the first time. */
export async function kuboPeers(layout: Layout, { program }: KuboSource): Promise<Readonly<Record<string, string>>> {
  const nodes = nodesOf(layout, layout.regions);
  const configs = await repositories(nodes, program, () => undefined);
  return Object.fromEntries(nodes.map(({ name }, index) => [name, configs[index]?.Identity.PeerID ?? '']));
}

async function repositories(
  nodes: readonly Node[],
  program: string,
  say: (line: string) => void,
): Promise<readonly Config[]> {
  const made = await Promise.all(nodes.map(({ repository }) => initialise(program, repository)));
  const empty = nodes.filter((_, index) => made[index]).map(({ name }) => name);
  if (empty.length > 0) say(`${empty.join(', ')}: a new Kubo repository, which holds nothing yet`);
  return Promise.all(nodes.map(({ repository }) => readConfig(repository)));
}

function nodesOf(layout: Layout, regions: readonly RegionDescription[]): readonly Node[] {
  return regions.flatMap((region) => hospitals(region).map(({ mspId }) => nodeOf(layout, region.region, mspId)));
}

/** The names of a region's nodes. */
export function kuboNames(region: RegionDescription): readonly string[] {
  return hospitals(region).map(({ mspId }) => nameOf(region.region, mspId));
}

function nameOf(region: string, mspId: string): string {
  return `${region}/kubo/${mspId}`;
}

function nodeOf(layout: Layout, region: string, mspId: string): Node {
  const name = nameOf(region, mspId);
  const swarm = `${region}/swarm/${mspId}`;
  const [host = '', port] = layout.address(swarm).split(':');
  const { listen = host } = layout.endpoint(swarm);
  return {
    name,
    repository: layout.path(name),
    rpcPort: layout.port(name),
    swarmListen: `/ip4/${listen}/tcp/${layout.port(swarm)}`,
    swarmAddress: `/${isIP(host) ? 'ip4' : 'dns4'}/${host}/tcp/${port}`,
  };
}

/** Whether there was none. It is made elsewhere first: an initialisation that was killed is begun anew. */
async function initialise(program: string, repository: string): Promise<boolean> {
  if ((await readIfThere(join(repository, 'config'))) !== undefined) return false;
  const unfinished = `${repository}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const env = { ...process.env, ...kuboEnvironment(unfinished) };
  await run(program, ['init', '--empty-repo', '--profile', 'test'], { env, timeout: INIT_MS }).catch(
    (cause: unknown) => {
      throw new DeployError('PROCESS_FAILED', `${program} init did not make ${repository}`, { cause });
    },
  );
  try {
    await rename(unfinished, repository);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw cause;
    throw new DeployError(
      'STATE_DAMAGED',
      `${repository} has no config: restore it, or remove the folder to go on with an empty one`,
      { cause },
    );
  }
  return true;
}

async function readConfig(repository: string): Promise<Config> {
  const file = join(repository, 'config');
  const config = (await readJsonIfThere(file)) as Partial<Config> | undefined;
  if (typeof config?.Identity?.PeerID === 'string') return config as Config;
  throw new DeployError('STATE_DAMAGED', `${file} has no identity`);
}

/** Without the key no node starts, rather than one in the public network. */
export function kuboEnvironment(repository: string): Readonly<Record<string, string>> {
  return { IPFS_PATH: repository, LIBP2P_FORCE_PNET: '1', IPFS_TELEMETRY: 'off' };
}

/** The vault's README says what those of the datastore are for; all the rest is to meet nobody but the peers. */
function settingsOf({ rpcPort, swarmListen }: Node, peers: readonly unknown[]): Record<string, unknown> {
  return {
    Addresses: {
      API: `/ip4/127.0.0.1/tcp/${rpcPort}`,
      Gateway: [],
      Swarm: [swarmListen],
      Announce: [],
      AppendAnnounce: [],
      NoAnnounce: [],
    },
    Datastore: { Spec: DATASTORE, HashOnRead: true, WriteThrough: true, BlockKeyCacheSize: 0, BloomFilterSize: 0 },
    Peering: { Peers: peers },
    Bootstrap: [],
    Routing: { Type: 'none', DelegatedRouters: [] },
    Discovery: { MDNS: { Enabled: false } },
    Ipns: { DelegatedPublishers: [], UsePubsub: false },
    DNS: { Resolvers: {} },
    Pubsub: { Enabled: false },
    Provide: { Enabled: false },
    HTTPRetrieval: { Enabled: false },
    AutoConf: { Enabled: false },
    AutoNAT: { ServiceMode: 'disabled' },
    AutoTLS: { Enabled: false },
    Version: { SwarmCheckEnabled: false },
    Gateway: { NoFetch: true, NoDNSLink: true, DeserializedResponses: false, ExposeRoutingAPI: false },
    Swarm: {
      DisableNatPortMap: true,
      EnableHolePunching: false,
      RelayClient: { Enabled: false },
      RelayService: { Enabled: false },
      Transports: {
        Network: { Websocket: false, QUIC: false, WebTransport: false, WebRTCDirect: false, Relay: false },
      },
    },
  };
}

/** What Kubo has of its own in a section stays, its keys above all. */
function merged(config: Readonly<Record<string, unknown>>, settings: Record<string, unknown>): object {
  const sections = Object.entries(settings).map(([name, section]) => {
    const isList = Array.isArray(section);
    return [name, isList ? section : { ...(config[name] as object | undefined), ...(section as object) }];
  });
  return { ...config, ...(Object.fromEntries(sections) as object) };
}

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { Connection } from '@yilian/ledger';
import type { RegionEntry } from '@yilian/protocol';
import type { ProxyConfig } from '@yilian/proxy';
import { RegionalChain } from '@yilian/regional-chain';
import type { RelayConfig } from '@yilian/relay';
import type { Files } from '@yilian/testbed/files';
import { type Member, Network } from '@yilian/testbed/network';
import { RedisServer } from '@yilian/testbed/redis-server';
import type { Holdings } from './checker.ts';
import { Door } from './door.ts';
import { type History, LedgerReader } from './history.ts';
import { Program } from './program.ts';

const packaged = (name: string): string => fileURLToPath(new URL('./main.ts', import.meta.resolve(name)));
/** One works, the other takes over when a test starts it. */
const RELAYS = 2;
const CHAIN = fileURLToPath(new URL('./chain-main.ts', import.meta.url));

/** One region: its chain, its queue, its relays and those of its proxies that run as processes. */
export class Region {
  readonly name: string;
  readonly network: Network;
  readonly chain: Program;
  readonly redis: RedisServer;
  /** Any of them may be killed; two relays share the region's Redis. */
  readonly relays: readonly Program[];
  readonly proxies: readonly Program[];
  readonly #files: Files;
  readonly #folders: ReadonlyMap<string, string>;
  readonly #connections = new Map<string, Connection>();
  readonly #reader = new LedgerReader();

  private constructor(
    parts: Pick<Region, 'name' | 'network' | 'chain' | 'redis' | 'relays' | 'proxies'>,
    files: Files,
    folders: ReadonlyMap<string, string>,
  ) {
    this.name = parts.name;
    this.network = parts.network;
    this.chain = parts.chain;
    this.redis = parts.redis;
    this.relays = parts.relays;
    this.proxies = parts.proxies;
    this.#files = files;
    this.#folders = folders;
  }

  /** Lays a region out: `relays` of them in processes, and the proxies of `inProcesses` too; nothing runs yet. */
  static async create(name: string, files: Files, { inProcesses, relayConfig }: RegionOptions): Promise<Region> {
    const mspIds = ['Commission', 'Hospital1', 'Hospital2'].map((kind) => `${kind}${name.toUpperCase()}`);
    const network = new Network(name, mspIds, 2);
    const program = async (part: string, script: string, config: (door: Door) => Promise<unknown>) => {
      const door = await Door.open();
      const configFile = await files.json(`${name}-${part}`, await config(door));
      return new Program({
        name: `${name}/${part}`,
        door,
        script,
        configFile,
        logFile: files.path(`${name}-${part}.log`),
      });
    };
    const chain = await program('chain', CHAIN, async () => ({
      ...network.config,
      folder: files.path(`${name}-chain`),
    }));
    const redis = new RedisServer(files.path(`${name}-redis`));
    const folders = new Map(mspIds.map((mspId) => [mspId, files.path(`${name}-proxy-${mspId}`)]));
    const [commission = ''] = mspIds;
    return new Region(
      {
        name,
        network,
        chain,
        redis,
        relays: await Promise.all(
          Array.from({ length: RELAYS }, (_, index) =>
            program(`relay-${index + 1}`, packaged('@yilian/relay'), async () => ({
              ...relayConfig,
              region: name,
              redisUrl: redis.url,
              identity: await files.identity(network.member(commission, 'relay')),
              regional: { address: chain.door.address, channel: name },
            })),
          ),
        ),
        proxies: await Promise.all(
          inProcesses.map((mspId) =>
            program(`proxy-${mspId}`, packaged('@yilian/proxy'), async (door) => ({
              ...(await proxyConfig(files, network, mspId, chain.door.address, folders.get(mspId) ?? '')),
              publicUrl: door.url,
            })),
          ),
        ),
      },
      files,
      folders,
    );
  }

  get relay(): Program {
    return this.relays[0] as Program;
  }

  /** Organisations whose proxies are {@link proxies}, in that order. */
  get outside(): readonly string[] {
    return this.proxies.map(({ name }) => name.split('/proxy-')[1] ?? '');
  }

  /** Organisations whose proxies are no processes of their own. */
  get inHouse(): readonly string[] {
    return this.network.mspIds.filter((mspId) => !this.outside.includes(mspId));
  }

  get commission(): string {
    return this.network.mspIds[0] ?? '';
  }

  get hospital(): string {
    return this.network.mspIds[1] ?? '';
  }

  /** As a proxy of the region that runs in this process is configured. */
  proxyConfig(mspId: string): Promise<ProxyConfig> {
    return proxyConfig(this.#files, this.network, mspId, this.chain.door.address, this.proxyFolder(mspId));
  }

  /** Where a proxy of the region keeps its keys and fragments. */
  proxyFolder(mspId: string): string {
    return this.#folders.get(mspId) ?? '';
  }

  entry(federation: string, version: number): RegionEntry {
    const { certificate } = this.network.member(this.commission, 'relay');
    return {
      federation,
      region: this.name,
      name: this.name,
      version,
      trusts: [this.network.trust],
      relays: this.relays.map(({ door }) => ({ url: door.url, certificate })),
      holders: ['http://127.0.0.1:1'],
      frozen: false,
    };
  }

  member(mspId: string, role: string, name = role): Member {
    return this.network.member(mspId, role, name);
  }

  /** The region's chain as this member's client sees it. */
  as(mspId: string, role: string): RegionalChain {
    return new RegionalChain(this.connection(mspId, role), this.name);
  }

  connection(mspId: string, role: string): Connection {
    const key = `${mspId}/${role}`;
    const known = this.#connections.get(key) ?? this.network.connect(this.chain.door.address, this.member(mspId, role));
    this.#connections.set(key, known);
    return known;
  }

  history(): Promise<History> {
    return this.#reader.read(this.connection(this.commission, 'admin'), this.name);
  }

  /** What lies on the disks of this region's proxies, by their databases and their folders of keys. */
  async holdings(): Promise<Holdings[]> {
    return Promise.all(
      [...this.#folders].map(async ([mspId, folder]) => ({
        mspId,
        grantIds: [...new Set([...heldIn(join(folder, 'grants.db')), ...(await readdir(join(folder, 'wrap')))])],
      })),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.relays, ...this.proxies].map((program) => program.stop()));
    for (const connection of this.#connections.values()) connection.close();
    await this.chain.stop();
    await this.redis[Symbol.asyncDispose]();
    for (const { door } of [this.chain, ...this.relays, ...this.proxies]) await door[Symbol.asyncDispose]();
  }
}

export interface RegionOptions {
  /** MSP ids whose proxies are processes. */
  readonly inProcesses: readonly string[];
  /** What is the same for all relays of the region. */
  readonly relayConfig: Omit<RelayConfig, 'region' | 'redisUrl' | 'identity' | 'regional'>;
}

export async function proxyConfig(
  files: Files,
  network: Network,
  mspId: string,
  address: string,
  folder: string,
): Promise<ProxyConfig> {
  const { certificateFile, privateKeyFile } = await files.identity(network.member(mspId, 'proxy'));
  return {
    federation: files.federation,
    network: network.name,
    channel: network.name,
    mspId,
    certificateFile,
    privateKeyFile,
    ledger: { address },
    folder,
    host: '127.0.0.1',
    port: 0,
    logLevel: files.logLevel,
  };
}

function heldIn(file: string): string[] {
  using database = new DatabaseSync(file, { readOnly: true, timeout: 2000 });
  return database
    .prepare('SELECT grant_id FROM grants WHERE fragments IS NOT NULL')
    .all()
    .map((row) => String(row['grant_id']));
}

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ProxyConfig } from '@yilian/proxy';
import type { RelayConfig } from '@yilian/relay';
import { writeWhole } from '@yilian/service';
import type { Program } from './child.ts';
import { MAIN, proxyHosts, type RegionDescription } from './description.ts';
import { chainConfig, viewConfig } from './embedded-chains.ts';
import type { FabricChains } from './fabric.ts';
import { type KuboSource, kuboNodes } from './kubo.ts';
import type { Layout } from './layout.ts';
import { prometheus } from './monitoring.ts';
import { type RedisSource, redisArguments } from './redis.ts';
import { vaultConfig } from './vaults.ts';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const packaged = (name: string): string => fileURLToPath(new URL('./main.ts', import.meta.resolve(name)));

/**
 * The programs of a federation; those of one stage start together. Each stage has what the next would wait for: who
 * finds it at once need not ask again.
 */
export interface Stages {
  /** Chains, queues and Kubo nodes. */
  readonly first: readonly Program[];
  /** What follows a chain from its first block on, or needs none. */
  readonly whileFounding: readonly Program[];
  /** Attesters; then relays, which mirror what they attest; then proxies, which trust the mirrors. */
  readonly founded: readonly (readonly Program[])[];
}

export async function programs(
  layout: Layout,
  redis: RedisSource,
  kubo: KuboSource | undefined,
  fabric: FabricChains | undefined,
  say: (line: string) => void,
): Promise<Stages> {
  const { regions, authorities } = layout;
  const roots = await layout.tlsRootsFile();
  const node = (name: string, script: string, configFile: string): Program => ({
    name,
    command: process.execPath,
    args: [script, configFile],
    revision: revisionOf(configFile),
    ...(roots !== undefined && { env: { NODE_EXTRA_CA_CERTS: roots } }),
    logFile: layout.logFile(name),
    ready: 'line',
  });
  const embedded = layout.engines.engine === 'embedded';
  const chains = await Promise.all(
    (embedded ? [MAIN, ...regions.map(({ region }) => region)] : []).map(async (network) =>
      node(
        `${network}/chain`,
        here('./chain-main.ts'),
        await layout.write(`${network}/chain.json`, await chainConfig(layout, network)),
      ),
    ),
  );
  const views = await Promise.all(
    (embedded ? regions : []).map(async (region) =>
      node(
        `${region.region}/main-view`,
        here('./view-main.ts'),
        await layout.write(`${region.region}/main-view.json`, await viewConfig(layout, region)),
      ),
    ),
  );
  const vaults = await Promise.all(
    regions.map(async (region) =>
      node(
        `${region.region}/vault`,
        here('./vault-main.ts'),
        await layout.write(`${region.region}/vault.json`, await vaultConfig(layout, region)),
      ),
    ),
  );
  const attesters = await Promise.all(
    authorities.map(async ({ mspId }) => {
      const config = await proxyConfig(layout, MAIN, mspId, `main/attester/${mspId}`);
      return node(
        `main/attester/${mspId}`,
        packaged('@yilian/proxy'),
        await layout.write(`main/attester/${mspId}.json`, config),
      );
    }),
  );
  const proxies = await Promise.all(
    regions.flatMap((region) =>
      proxyHosts(region).map(async ({ mspId }) => {
        const name = `${region.region}/proxy/${mspId}`;
        const config = await proxyConfig(layout, region.region, mspId, name);
        return node(name, packaged('@yilian/proxy'), await layout.write(`${name}.json`, config));
      }),
    ),
  );
  const relays = await Promise.all(
    regions.map(async (region, index) =>
      node(
        `${region.region}/relay`,
        packaged('@yilian/relay'),
        await layout.write(
          `${region.region}/relay.json`,
          await relayConfig(layout, region, redisUrl(layout, redis, region, index)),
        ),
      ),
    ),
  );
  writeWhole(layout.path('prometheus.yml'), prometheus(layout, roots));
  const [first] = layout.description.authorities;
  const pseudonyms =
    first !== undefined && layout.holds(first.mspId)
      ? [node('pseudonyms', packaged('@yilian/pseudonyms'), await pseudonymConfig(layout, first.mspId))]
      : [];
  return {
    first: [
      ...(await redisServers(layout, redis)),
      ...(kubo === undefined ? [] : await kuboNodes(layout, kubo, say)),
      ...chains,
      ...(fabric?.programs() ?? []),
    ],
    whileFounding: [...views, ...vaults],
    founded: [attesters, [...relays, ...pseudonyms], proxies],
  };
}

/** Changes with a configuration, and with the certificates it names. */
function revisionOf(configFile: string): string {
  const text = readFileSync(configFile, 'utf8');
  const hash = createHash('sha256').update(text);
  JSON.parse(text, (key, value: unknown) => {
    if (key === 'certificateFile') hash.update(readFileSync(String(value)));
    return value;
  });
  return hash.digest('hex');
}

async function redisServers(layout: Layout, redis: RedisSource): Promise<Program[]> {
  if (redis.kind === 'url') return [];
  return Promise.all(
    layout.regions.map(async ({ region }) => {
      const name = `${region}/redis`;
      const port = layout.port(name);
      return {
        name,
        command: redis.program,
        args: redisArguments(await layout.folder(region, 'redis'), port),
        logFile: layout.logFile(name),
        ready: port,
      };
    }),
  );
}

function redisUrl(layout: Layout, redis: RedisSource, { region }: RegionDescription, index: number): string {
  return redis.kind === 'url' ? (redis.urls[index] ?? '') : `redis://${layout.address(`${region}/redis`)}`;
}

async function proxyConfig(layout: Layout, network: string, mspId: string, name: string): Promise<ProxyConfig> {
  const { certificateFile, privateKeyFile } = await layout.credential(mspId, 'proxy');
  return {
    federation: layout.description.federation,
    network,
    channel: network,
    mspId,
    certificateFile,
    privateKeyFile,
    ledger: await layout.ledger(network, mspId),
    folder: await layout.folder(name),
    ...(await layout.listening(name)),
    publicUrl: layout.url(name),
  };
}

async function relayConfig(layout: Layout, region: RegionDescription, redis: string): Promise<RelayConfig> {
  const { own, main } = await layout.relayIdentities(region);
  const name = `${region.region}/relay`;
  return {
    federation: layout.description.federation,
    region: region.region,
    redisUrl: redis,
    requireDurableRedis: layout.engines.engine === 'fabric',
    ...(await layout.listening(name)),
    publicUrl: layout.url(name),
    identity: { mspId: own.mspId, certificateFile: own.certificateFile, privateKeyFile: own.privateKeyFile },
    regional: { ...(await layout.ledger(region.region, own.mspId)), channel: region.region },
    main: {
      ...(await layout.ledger(MAIN, main.mspId, region.region)),
      channel: MAIN,
      mspId: main.mspId,
      certificateFile: main.certificateFile,
      privateKeyFile: main.privateKeyFile,
    },
    genesisFile: await layout.genesisFile(),
    attesters: layout.description.authorities.map(({ mspId }) => ({
      mspId,
      url: layout.url(`main/attester/${mspId}`),
    })),
    holders: [...layout.holders(region)],
    operatorTokenFile: await layout.secret(`${region.region}/operator-token`),
  };
}

async function pseudonymConfig(layout: Layout, mspId: string): Promise<string> {
  const { certificateFile, privateKeyFile } = await layout.credential(mspId, 'relay');
  const { address, tls } = await layout.ledger(MAIN, mspId);
  return layout.write('pseudonyms.json', {
    federation: layout.description.federation,
    folder: await layout.folder('pseudonyms'),
    ...(await layout.listening('pseudonyms')),
    main: {
      address,
      ...(tls && { tlsRootsFile: tls.rootsFile }),
      channel: MAIN,
      mspId,
      certificateFile,
      privateKeyFile,
    },
  });
}

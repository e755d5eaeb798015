import { readFile, stat } from 'node:fs/promises';
import { FederationId, MspId, parseGenesis, parser, RegionId, Url } from '@yilian/protocol';
import { type Static, type TProperties, Type } from '@yilian/schema';
import { RelayError } from './errors.ts';

const object = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });
const File = Type.String({ minLength: 1, maxLength: 4096 });
const Count = (maximum: number) => Type.Optional(Type.Integer({ minimum: 1, maximum }));
const Tls = object({
  rootsFile: File,
  certificateFile: Type.Optional(File),
  privateKeyFile: Type.Optional(File),
  serverName: Type.Optional(Type.String()),
});
const Address = Type.String({ minLength: 3, maxLength: 255 });
const Channel = Type.String({ pattern: '^[a-z][a-z0-9.-]{0,248}$' });

/** Bounds of a relay; what is left out has the default of {@link LIMITS}. */
export const Limits = object({
  /** Decisions one requesting organisation may have waiting. */
  decisionsPerOrganisation: Count(10_000),
  decisionsAtOnce: Count(256),
  legsAtOnce: Count(1024),
  /** Requests one organisation of this region may be submitting at a time. */
  submissionsPerOrganisation: Count(10_000),
  /** Legs queued at all. */
  legs: Count(1_000_000),
  connections: Count(100_000),
  watchers: Count(10_000),
  /** HTTP requests of one address. */
  requestsPerMinute: Count(10_000_000),
  /** How long the home side holds an `ask` open, milliseconds. */
  longPollMs: Count(12_000),
  /** How often the scanner compares chains and queues, milliseconds. */
  scanMs: Count(60_000),
  /** How long a worker that died keeps its jobs, milliseconds (reliability: short locks, frequent checks). */
  lockMs: Count(60_000),
  /** Checkpoints come at least this far apart, milliseconds. */
  checkpointMs: Count(3_600_000),
  /** How long answers stay in Redis, milliseconds. */
  answerTtlMs: Count(86_400_000),
});
export type Limits = Required<Static<typeof Limits>>;

export const LIMITS: Limits = {
  decisionsPerOrganisation: 64,
  decisionsAtOnce: 16,
  legsAtOnce: 64,
  submissionsPerOrganisation: 64,
  legs: 50_000,
  connections: 2048,
  watchers: 512,
  requestsPerMinute: 6000,
  longPollMs: 10_000,
  scanMs: 2000,
  lockMs: 5000,
  checkpointMs: 3000,
  answerTtlMs: 900_000,
};

export const RelayConfig = object({
  federation: FederationId,
  region: RegionId,
  redisUrl: Type.String({ pattern: '^(rediss?|unix)://', maxLength: 512 }),
  /** Refuse to start on a Redis without append-only file or that may evict keys. Default: warn. */
  requireDurableRedis: Type.Optional(Type.Boolean()),
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  /** The certificate it shows, where others reach it over a network; without it, it speaks HTTP. */
  tls: Type.Optional(object({ certificateFile: File, privateKeyFile: File })),
  publicUrl: Type.Optional(Url),
  /** The relay's certificate as the main chain registers it; also its identity on the regional chain. */
  identity: object({ mspId: MspId, certificateFile: File, privateKeyFile: File }),
  regional: object({ address: Address, channel: Channel, tls: Type.Optional(Tls) }),
  /** Under an authority's identity; `peerMspId`: whose peer it is, where it is another's, as with the commission's own. */
  main: object({
    address: Address,
    peerMspId: Type.Optional(MspId),
    channel: Channel,
    mspId: MspId,
    certificateFile: File,
    privateKeyFile: File,
    tls: Type.Optional(Tls),
  }),
  genesisFile: File,
  /** Attesters of the main chain. */
  attesters: Type.Array(object({ mspId: MspId, url: Url }), { minItems: 1, maxItems: 64 }),
  /** Gateways of the own region's vaults. */
  holders: Type.Array(Url, { maxItems: 16 }),
  /** File with the token that opens /v1/dead-letters; without it nobody may. */
  operatorTokenFile: Type.Optional(File),
  limits: Type.Optional(Limits),
  logLevel: Type.Optional(Type.String({ pattern: '^(trace|debug|info|warn|error|fatal|silent)$' })),
});
export type RelayConfig = Static<typeof RelayConfig>;

const parse = parser('relay config', RelayConfig);

/** @throws CONFIG_INVALID */
export function parseConfig(value: unknown): RelayConfig {
  try {
    return parse(value);
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', cause instanceof Error ? cause.message : 'malformed', { cause });
  }
}

/** @throws CONFIG_INVALID */
export async function readConfig(file: string): Promise<RelayConfig> {
  return parseConfig(await readJson(file));
}

/** What the files of a configuration hold. */
export interface Secrets {
  readonly certificate: string;
  readonly privateKey: string;
  readonly main: { readonly certificate: string; readonly privateKey: string };
  readonly genesis: ReturnType<typeof parseGenesis>;
  readonly operatorToken: string | undefined;
}

/** @throws CONFIG_INVALID for a missing file, or a private key that others may read */
export async function readSecrets(config: RelayConfig): Promise<Secrets> {
  const { identity, main, genesisFile, operatorTokenFile } = config;
  return {
    certificate: await readText(identity.certificateFile),
    privateKey: await readSecret(identity.privateKeyFile),
    main: {
      certificate: await readText(main.certificateFile),
      privateKey: await readSecret(main.privateKeyFile),
    },
    genesis: parseGenesis(await readJson(genesisFile)),
    operatorToken: operatorTokenFile === undefined ? undefined : (await readSecret(operatorTokenFile)).trim(),
  };
}

/** TLS material of one connection. @throws CONFIG_INVALID */
export async function readTls(tls: Static<typeof Tls> | undefined) {
  if (tls === undefined) return undefined;
  const { rootsFile, certificateFile, privateKeyFile, serverName } = tls;
  return {
    roots: await readText(rootsFile),
    ...(certificateFile === undefined ? {} : { certificate: await readText(certificateFile) }),
    ...(privateKeyFile === undefined ? {} : { privateKey: await readSecret(privateKeyFile) }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', `${file} is not JSON`, { cause });
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', `cannot read ${file}`, { cause });
  }
}

async function readSecret(file: string): Promise<string> {
  const text = await readText(file);
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0)
    throw new RelayError('CONFIG_INVALID', `${file} must be readable by its owner alone (0600)`);
  return text;
}

import { readFile, stat } from 'node:fs/promises';
import { FederationId, MspId, parser, RegionId, Url } from '@yilian/protocol';
import { type Static, type TProperties, Type } from '@yilian/schema';
import { ProxyError } from './errors.ts';

const object = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });
const File = Type.String({ minLength: 1, maxLength: 4096 });
const Count = (maximum: number) => Type.Optional(Type.Integer({ minimum: 1, maximum }));

/** The main chain's name as a network; a proxy configured for it is an authority's attester. */
export const MAIN = 'main';

/** Bounds of a proxy; what is left out has the default of {@link LIMITS}. */
const Limits = object({
  connections: Count(100_000),
  /** HTTP requests of one address to what patients use. */
  patientRequestsPerMinute: Count(10_000_000),
  /** HTTP requests of one address to what relays use. */
  relayRequestsPerMinute: Count(10_000_000),
});
export type Limits = Required<Static<typeof Limits>>;

export const LIMITS: Limits = { connections: 1024, patientRequestsPerMinute: 600, relayRequestsPerMinute: 60_000 };

export const ProxyConfig = object({
  federation: FederationId,
  /** The region whose chain this proxy serves; `main` for an authority's attester. */
  network: RegionId,
  channel: Type.String({ pattern: '^[a-z][a-z0-9.-]{0,248}$' }),
  mspId: MspId,
  /** The organisation's X.509 identity with role `proxy`. */
  certificateFile: File,
  privateKeyFile: File,
  /** A peer of the own organisation. */
  ledger: object({
    address: Type.String({ minLength: 3, maxLength: 255 }),
    tls: Type.Optional(
      object({
        rootsFile: File,
        certificateFile: Type.Optional(File),
        privateKeyFile: Type.Optional(File),
        serverName: Type.Optional(Type.String({ maxLength: 255 })),
      }),
    ),
  }),
  /** Made when missing; README.md says what is in it and what a backup may take. */
  folder: File,
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  /** The certificate it shows, where others reach it over a network; without it, it speaks HTTP. */
  tls: Type.Optional(object({ certificateFile: File, privateKeyFile: File })),
  /** Where patients and relays reach this proxy; the address it listens on when left out. */
  publicUrl: Type.Optional(Url),
  /** 32 bytes in hexadecimal, under which the keys in the folder are encrypted. */
  masterKeyFile: Type.Optional(File),
  limits: Type.Optional(Limits),
  logLevel: Type.Optional(Type.String({ pattern: '^(trace|debug|info|warn|error|fatal|silent)$' })),
});
export type ProxyConfig = Static<typeof ProxyConfig>;

const parse = parser('proxy config', ProxyConfig);

/** @throws CONFIG_INVALID */
export function parseConfig(value: unknown): ProxyConfig {
  try {
    return parse(value);
  } catch (cause) {
    throw new ProxyError('CONFIG_INVALID', cause instanceof Error ? cause.message : 'malformed', { cause });
  }
}

/** @throws CONFIG_INVALID */
export async function readConfig(file: string): Promise<ProxyConfig> {
  const text = await readText(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProxyError('CONFIG_INVALID', `${file} is not JSON`, { cause });
  }
  return parseConfig(value);
}

/** What the files of a configuration hold. */
export interface Secrets {
  readonly certificate: string;
  readonly privateKey: string;
  readonly masterKey: Uint8Array | undefined;
}

/** @throws CONFIG_INVALID for a missing file, or a key that others may read */
export async function readSecrets(config: ProxyConfig): Promise<Secrets> {
  const { certificateFile, privateKeyFile, masterKeyFile } = config;
  return {
    certificate: await readText(certificateFile),
    privateKey: await readSecret(privateKeyFile),
    masterKey: masterKeyFile === undefined ? undefined : masterKeyOf(await readSecret(masterKeyFile)),
  };
}

/** @throws CONFIG_INVALID */
export async function readTls(tls: ProxyConfig['ledger']['tls']) {
  if (tls === undefined) return undefined;
  const { rootsFile, certificateFile, privateKeyFile, serverName } = tls;
  return {
    roots: await readText(rootsFile),
    ...(certificateFile === undefined ? {} : { certificate: await readText(certificateFile) }),
    ...(privateKeyFile === undefined ? {} : { privateKey: await readSecret(privateKeyFile) }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

function masterKeyOf(text: string): Uint8Array {
  const hex = text.trim();
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new ProxyError('CONFIG_INVALID', 'a master key is 64 hexadecimal digits');
  return Buffer.from(hex, 'hex');
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new ProxyError('CONFIG_INVALID', `cannot read ${file}`, { cause });
  }
}

async function readSecret(file: string): Promise<string> {
  const text = await readText(file);
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0)
    throw new ProxyError('CONFIG_INVALID', `${file} must be readable by its owner alone (0600)`);
  return text;
}

import { execFile } from 'node:child_process';
import { access, constants, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { DeployError } from './errors.ts';

const run = promisify(execFile);
const SERVERS = ['redis-server', 'valkey-server'];
/** Keeps Debian's packages from starting or enabling a service while we install one. */
const POLICY = '/usr/sbin/policy-rc.d';

/** Where a region's queue comes from. */
export type RedisSource =
  | { readonly kind: 'url'; readonly urls: readonly string[] }
  | { readonly kind: 'server'; readonly program: string; readonly version: string };

/** Where Redis is looked for; a test may put something else in its place. */
export interface RedisHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly mayInstall: boolean;
}

/**
 * Finds Redis: `REDIS_URL`s (one for each region, separated by spaces or commas), else a server in PATH, else
 * Debian's package when we may install it.
 * @throws DeployError REDIS_MISSING REDIS_UNFIT
 */
export async function findRedis(
  regions: number,
  say: (line: string) => void,
  { env, mayInstall }: RedisHost = { env: process.env, mayInstall: process.getuid?.() === 0 },
): Promise<RedisSource> {
  const urls = [env['REDIS_URLS'], env['REDIS_URL']]
    .map((text) => (text ?? '').split(/[\s,]+/).filter((url) => url !== ''))
    .find((each) => each.length > 0);
  if (urls !== undefined) {
    if (urls.length < regions)
      throw new DeployError('REDIS_UNFIT', `REDIS_URLS names ${urls.length} servers, ${regions} regions need one each`);
    if (!urls.every((url) => /^(rediss?|unix):\/\//.test(url)))
      throw new DeployError('REDIS_UNFIT', 'REDIS_URLS holds redis://, rediss:// and unix:// addresses only');
    return { kind: 'url', urls };
  }
  const found = (await serverIn(env['PATH'])) ?? (mayInstall ? await installFromDebian(say) : undefined);
  if (found === undefined) {
    throw new DeployError(
      'REDIS_MISSING',
      'no Redis found. Install one (Debian: apt-get install redis-server) or set REDIS_URLS',
    );
  }
  return { kind: 'server', program: found, version: await versionOf(found) };
}

/** @throws DeployError REDIS_UNFIT below 6.2, which the relay's queues need */
async function versionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version']).catch((cause: unknown) => {
    throw new DeployError('REDIS_UNFIT', `${program} does not run`, { cause });
  });
  const [, version = '', major, minor] = /v=((\d+)\.(\d+)[0-9.]*)/.exec(stdout) ?? [];
  if (Number(major) * 100 + Number(minor) >= 602) return version;
  throw new DeployError('REDIS_UNFIT', `${program} is ${version || 'of no known version'}; 6.2 or later is needed`);
}

async function serverIn(path: string | undefined): Promise<string | undefined> {
  for (const folder of (path ?? '').split(delimiter)) {
    for (const name of SERVERS) {
      const candidate = join(folder, name);
      if (folder !== '' && (await executable(candidate))) return candidate;
    }
  }
  return undefined;
}

async function executable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function installFromDebian(say: (line: string) => void): Promise<string | undefined> {
  if (!(await executable('/usr/bin/apt-get'))) return undefined;
  say('No Redis here: installing Debian’s redis-server (its service is neither started nor enabled)');
  const policyIsOurs = !(await executable(POLICY));
  if (policyIsOurs) await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await run('apt-get', ['update', '-qq'], { env }).catch(() => undefined);
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], { env });
    await run('systemctl', ['disable', 'redis-server'], { env }).catch(() => undefined);
    await run('update-rc.d', ['redis-server', 'disable'], { env }).catch(() => undefined);
  } catch (cause) {
    throw new DeployError(
      'REDIS_MISSING',
      'Debian’s redis-server could not be installed; install a Redis or set REDIS_URLS',
      { cause },
    );
  } finally {
    if (policyIsOurs) await rm(POLICY, { force: true });
  }
  return serverIn(process.env['PATH']);
}

/** Command line of a region's private Redis: loopback, AOF, nothing evicted. */
export function redisArguments(folder: string, port: number): string[] {
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

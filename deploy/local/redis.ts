import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isRecent } from '@yilian/relay/durability';
import { inPath } from '@yilian/service';
import { installFromDebian } from './debian.ts';
import { DeployError } from './errors.ts';

const run = promisify(execFile);
const SERVERS = ['redis-server', 'valkey-server'];

/** Where a region's queue comes from. */
export type RedisSource =
  | { readonly kind: 'url'; readonly urls: readonly string[] }
  | { readonly kind: 'server'; readonly program: string; readonly version: string };

/** Where Redis is looked for; a test may put something else in its place. */
export interface RedisHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly mayInstall: boolean;
  /** Where the Debian policy stands that says which services a package may start. */
  readonly policyFile?: string;
}

/**
 * Finds Redis: `REDIS_URL`s (one for each region, separated by spaces or commas), else a server in PATH, else
 * Debian's package when we may install it.
 * @throws DeployError REDIS_MISSING REDIS_UNFIT
 */
export async function findRedis(
  regions: number,
  say: (line: string) => void,
  host: RedisHost = { env: process.env, mayInstall: process.getuid?.() === 0 },
): Promise<RedisSource> {
  const { env, mayInstall } = host;
  const urls = [env['REDIS_URLS'], env['REDIS_URL']]
    .map((text) => (text ?? '').split(/[\s,]+/).filter((url) => url !== ''))
    .find((each) => each.length > 0);
  if (urls !== undefined) {
    if (urls.length < regions)
      throw new DeployError('REDIS_UNFIT', `REDIS_URLS names ${urls.length} servers, ${regions} regions need one each`);
    if (!urls.every((url) => /^(rediss?|unix):\/\//.test(url) && URL.canParse(url)))
      throw new DeployError('REDIS_UNFIT', 'REDIS_URLS holds redis://, rediss:// and unix:// addresses only');
    return { kind: 'url', urls };
  }
  let found = await inPath(SERVERS, env['PATH']);
  if (found === undefined && mayInstall && (await inPath(['apt-get'], env['PATH'])) !== undefined) {
    await installFromDebian(env, say, host.policyFile);
    found = await inPath(SERVERS, env['PATH']);
  }
  if (found === undefined) {
    throw new DeployError(
      'REDIS_MISSING',
      'no Redis found. Install one (Debian: apt-get install redis-server) or set REDIS_URLS',
    );
  }
  return { kind: 'server', program: found, version: await versionOf(found) };
}

/** @throws DeployError REDIS_UNFIT */
async function versionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version']).catch((cause: unknown) => {
    throw new DeployError('REDIS_UNFIT', `${program} does not run`, { cause });
  });
  const [, version = ''] = /v=(\d[0-9.]*)/.exec(stdout) ?? [];
  if (isRecent(version)) return version;
  throw new DeployError('REDIS_UNFIT', `${program} is ${version || 'of no known version'}; 6.2 or later is needed`);
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

import { setTimeout as delay } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import { DeployError, told } from './errors.ts';
import { isRecent } from './redis.ts';

const DEADLINE_MS = 5_000;

/**
 * Asks every server what it is, so that a wrong address is told here and not by a relay that never becomes ready. One
 * that keeps less than the queues should rest on is said aloud: what is lost there is found again on the chain.
 * Returns the versions.
 * @throws DeployError REDIS_UNREACHABLE REDIS_UNFIT
 */
export async function requireServing(
  urls: readonly string[],
  say: (line: string) => void,
  deadlineMs: number = DEADLINE_MS,
): Promise<string[]> {
  return Promise.all(
    urls.map(async (url) => {
      const info = await infoOf(url, deadlineMs);
      const value = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
      const version = value('redis_version');
      const [major = 0, minor = 0] = version.split('.').map(Number);
      if (!isRecent(major, minor))
        throw new DeployError(
          'REDIS_UNFIT',
          `${shown(url)} is ${version || 'of no known version'}; 6.2 or later is needed`,
        );
      if (value('aof_enabled') !== '1')
        say(`${shown(url)} keeps no append-only file: what is queued there is lost when it ends`);
      if (value('maxmemory_policy') !== 'noeviction') say(`${shown(url)} may evict what is queued there`);
      return version;
    }),
  );
}

async function infoOf(url: string, deadlineMs: number): Promise<string> {
  const { Redis: Client } = await import('ioredis');
  const client = new Client({
    ...optionsOf(url),
    lazyConnect: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    replyMapping: 'legacy',
  });
  const trouble = new Promise<never>((_, reject) => client.on('error', reject));
  const late = delay(deadlineMs, undefined, { ref: false }).then(() => {
    throw new DeployError('TIMEOUT', 'it took too long');
  });
  for (const promise of [trouble, late]) promise.catch(() => undefined);
  try {
    return await Promise.race([trouble, late, asked(client)]);
  } catch (cause) {
    throw failure(shown(url), cause as Error);
  } finally {
    client.disconnect();
  }
}

function failure(server: string, cause: Error): DeployError {
  const refusal = /^(WRONGPASS|NOAUTH|NOPERM)\b/.exec(cause.message)?.[1];
  if (refusal !== undefined)
    return new DeployError('REDIS_UNFIT', `${server} refuses the credentials of REDIS_URLS (${refusal})`, { cause });
  if (/\bRESP\b/.test(cause.message)) return new DeployError('REDIS_UNFIT', `${server} is no Redis`, { cause });
  return new DeployError('REDIS_UNREACHABLE', `${server} does not answer (${told(cause).code})`, { cause });
}

async function asked(client: Redis): Promise<string> {
  await client.connect();
  return client.info();
}

/** As the relay reads an address. */
function optionsOf(url: string): RedisOptions {
  const { protocol, hostname, port, pathname, username, password } = new URL(url);
  if (protocol === 'unix:') return { path: decodeURIComponent(pathname) };
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || '6379'),
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
}

/** Without its password. */
function shown(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${protocol === 'unix:' ? pathname : ''}`;
}

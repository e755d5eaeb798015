import { setTimeout as delay } from 'node:timers/promises';
import { isRecent, readInfo, weaknesses } from '@yilian/relay/durability';
import type { Redis, RedisOptions } from 'ioredis';
import { DeployError, told } from './errors.ts';

const DEADLINE_MS = 5_000;

/** What is asked of the servers. */
export interface RedisDemands {
  /** Refuses one that may lose what is queued. Otherwise that is said: what is lost is found again on the chain. */
  readonly durable: boolean;
  readonly deadlineMs?: number;
}

/**
 * Asks every server what it is, so that a wrong address or setting is told here and not by a relay that never becomes
 * ready. Returns the versions.
 * @throws DeployError REDIS_UNREACHABLE; REDIS_UNFIT; REDIS_UNSAFE naming the settings and what mends them
 */
export async function requireServing(
  urls: readonly string[],
  say: (line: string) => void,
  { durable, deadlineMs = DEADLINE_MS }: RedisDemands,
): Promise<string[]> {
  const servers = await Promise.all(
    urls.map(async (url) => ({ server: shown(url), info: readInfo(await infoOf(url, deadlineMs)) })),
  );
  return servers.map(({ server, info }) => {
    const version = info.get('redis_version') ?? '';
    if (!isRecent(version))
      throw new DeployError('REDIS_UNFIT', `${server} is ${version || 'of no known version'}; 6.2 or later is needed`);
    if (info.get('role') === 'slave') throw new DeployError('REDIS_UNFIT', `${server} is a replica; name its primary`);
    const faults = weaknesses(info);
    if (faults.length === 0) return version;
    const sentence = `${server} may lose what is queued: ${faults.map(({ fault }) => fault).join(', ')}. Mend it with redis-cli: ${faults.map(({ mend }) => mend).join('; ')}; CONFIG REWRITE`;
    if (durable) throw new DeployError('REDIS_UNSAFE', sentence);
    say(sentence);
    return version;
  });
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

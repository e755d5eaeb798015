import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { isRecent, readInfo, weaknesses } from './durability.ts';
import { RelayError } from './errors.ts';

/** The region's Redis: one connection for commands, one for BullMQ, one that listens. All keys begin with `prefix`. */
export interface RedisConnections extends AsyncDisposable {
  readonly prefix: string;
  readonly commands: Redis;
  readonly bull: Redis;
  readonly subscriber: Redis;
}

const COMMAND_TIMEOUT_MS = 2000;
const MAX_PAUSE_MS = 1000;

export function openRedis(url: string, prefix: string, log: Logger): RedisConnections {
  const retryStrategy = (times: number) => Math.min(50 * 2 ** Math.min(times, 5), MAX_PAUSE_MS);
  const open = (options: RedisOptions) =>
    new Redis({ ...optionsOf(url), retryStrategy, ...options, replyMapping: 'legacy' });
  const commands = open({ commandTimeout: COMMAND_TIMEOUT_MS, maxRetriesPerRequest: 1 });
  const bull = open({ maxRetriesPerRequest: null });
  const subscriber = open({ maxRetriesPerRequest: null });
  for (const connection of [commands, bull, subscriber]) {
    connection.on('error', (error: Error) => log.debug({ code: codeOf(error) }, 'redis connection'));
  }
  return {
    prefix,
    commands,
    bull,
    subscriber,
    async [Symbol.asyncDispose]() {
      for (const connection of [commands, bull, subscriber]) connection.disconnect();
    },
  };
}

/** `redis://`, `rediss://` or `unix:///path/to/socket`. */
function optionsOf(url: string): RedisOptions {
  const parsed = new URL(url);
  if (parsed.protocol === 'unix:') return { path: decodeURIComponent(parsed.pathname) };
  const database = Number(parsed.pathname.slice(1) || '0');
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port || '6379'),
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
    ...(Number.isInteger(database) && database > 0 ? { db: database } : {}),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

/**
 * Checks what the queue rests on: Redis 6.2, an append-only file, no eviction.
 * @throws REDIS_UNSAFE when `required` and something is missing
 */
export async function checkDurability({ commands }: RedisConnections, required: boolean, log: Logger): Promise<void> {
  const info = readInfo(await commands.info());
  const faults = [
    ...(isRecent(info.get('redis_version') ?? '') ? [] : ['older than 6.2']),
    ...weaknesses(info).map(({ fault }) => fault),
  ];
  if (faults.length === 0) return;
  if (required) throw new RelayError('REDIS_UNSAFE', `Redis may lose what is queued: ${faults.join(', ')}`);
  log.warn({ faults }, 'Redis may lose what is queued; the scanner will find it again on the chain');
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

import { setTimeout as delay } from 'node:timers/promises';
import { readInfo } from '@yilian/relay/durability';
import { DeployError } from '../errors.ts';
import { TreeCopy } from './tree-copy.ts';

const POLL_MS = 100;
const REWRITE = 'auto-aof-rewrite-percentage';

/**
 * Copies a running Redis's append-only files as Redis has it done: no rewrite begins while they are copied, none is under
 * way. The last command may be cut off in the copy; Redis leaves it out when it reads it.
 * @throws DeployError REDIS_UNREACHABLE
 */
export async function copyQueue(port: number, from: string, to: string, signal: AbortSignal): Promise<void> {
  const { Redis: Client } = await import('ioredis');
  const client = new Client({ port, lazyConnect: true, retryStrategy: () => null, replyMapping: 'legacy' });
  client.on('error', () => undefined);
  try {
    await client.connect().catch((cause: unknown) => {
      throw new DeployError('REDIS_UNREACHABLE', `the Redis of ${from} does not answer`, { cause });
    });
    const [, before = '100'] = (await client.config('GET', REWRITE)) as string[];
    await client.config('SET', REWRITE, '0');
    try {
      for (;;) {
        const info = readInfo(await client.info('persistence'));
        const [underWay, scheduled] = [info.get('aof_rewrite_in_progress'), info.get('aof_rewrite_scheduled')];
        if (underWay === '0' && scheduled === '0') break;
        await delay(POLL_MS, undefined, { signal });
      }
      await new TreeCopy(from, to, (path) => path.startsWith('temp-')).pass(signal);
    } finally {
      await client.config('SET', REWRITE, before);
    }
  } finally {
    client.disconnect();
  }
}

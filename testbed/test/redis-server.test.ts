import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RedisServer } from '../src/redis-server.ts';

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

describe('a Redis of the testbed', () => {
  it.skipIf(!hasRedis)(
    'that ended by itself can be disposed of, and started again (skipped without redis-server)',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'yilian-redis-'));
      onTestFinished(() => rm(folder, { recursive: true }));
      const server = new RedisServer(folder);
      await server.start();
      const client = new Redis({ path: server.url.slice('unix://'.length), retryStrategy: () => null });
      client.on('error', () => undefined);
      const [, pid] = /process_id:(\d+)/.exec(await client.info('server')) ?? [];
      process.kill(Number(pid), 'SIGINT');
      await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), 10_000);
      await new Promise(setImmediate);
      await server.kill();
      await server.start();
      await server[Symbol.asyncDispose]();
    },
  );
});

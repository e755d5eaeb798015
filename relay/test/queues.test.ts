import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RelayError } from '../src/errors.ts';
import { Metrics } from '../src/metrics.ts';
import { Queues, type Task, type Verdict } from '../src/queues.ts';
import { openRedis, type RedisConnections } from '../src/redis.ts';
import { until } from './fixture/federation.ts';
import { type RedisServer, startRedis } from './fixture/redis-server.ts';

const log = pino({ level: 'silent' });
const PLACES = 2;
let server: RedisServer;
let redis: RedisConnections;
let queues: Queues;
let number = 0;
let begun: string[];
/** What is being run, until told what comes of it. */
let running: { readonly task: Task; readonly end: (verdict: Verdict | Error) => void }[];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.[Symbol.asyncDispose]());

beforeEach(() => {
  number += 1;
  redis = openRedis(server.url, `queues-${number}`, log);
  queues = new Queues(redis, new Metrics(), log, 1000);
  begun = [];
  running = [];
  queues.work('decide', PLACES, (task) => {
    const { promise, resolve, reject } = Promise.withResolvers<Verdict>();
    begun.push((task.data as { id: string }).id);
    running.push({ task, end: (verdict) => (verdict instanceof Error ? reject(verdict) : resolve(verdict)) });
    return promise;
  });
});
afterEach(async () => {
  for (const { end } of running) end('done');
  await queues.close();
  await redis[Symbol.asyncDispose]();
});

const begin = (id: string) => queues.begin('decide', 'decide', id, { id });
const queued = async () => (await queues.counts('decide')) as { waiting: number; delayed: number; active: number };

describe('a job that somebody waits for', () => {
  it('is begun at once and never queued, once at a time', async () => {
    await begin('one');
    expect(begun).toEqual(['one']);
    await begin('one');
    await queues.add('decide', 'decide', 'one', { id: 'one' });
    expect(await queued()).toMatchObject({ waiting: 0, delayed: 0, active: 0 });
    running[0]?.end('done');
    await until(async () => {
      await begin('one');
      expect(begun).toEqual(['one', 'one']);
    });
  });

  it('is queued where there is no place, and is run when there is one', async () => {
    for (const id of ['one', 'two', 'three']) await begin(id);
    await until(async () => expect(await queued()).toMatchObject({ active: 1 }));
    expect(begun).toEqual(['one', 'two']);
    running[0]?.end('done');
    await until(async () => expect(begun).toEqual(['one', 'two', 'three']));
  });

  it('is queued when it is to be tried again, or failed', async () => {
    await begin('one');
    running[0]?.end({ againInMs: 60_000 });
    await until(async () => expect(await queued()).toMatchObject({ delayed: 1 }));
    await begin('two');
    running[1]?.end(new Error('failed'));
    await until(async () => expect(running).toHaveLength(3));
    expect(running[2]?.task).toMatchObject({ data: { id: 'two' } });
  });

  it('is kept among the dead letters when there is something wrong with it', async () => {
    await begin('one');
    running[0]?.end(new RelayError('JOB_INVALID', 'wrong'));
    await until(async () => expect(running).toHaveLength(2));
    running[1]?.end(new RelayError('JOB_INVALID', 'wrong'));
    await until(async () => expect(await queues.failed('decide', 10)).toHaveLength(1));
  });

  it('is waited for when the relay ends', async () => {
    await begin('one');
    const closed = vi.fn<() => void>();
    const closing = queues.close().then(closed);
    await queued().catch(() => undefined);
    expect(closed).not.toHaveBeenCalled();
    running[0]?.end('done');
    await closing;
  });
});

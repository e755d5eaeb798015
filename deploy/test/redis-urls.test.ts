import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readDescription } from '../local/description.ts';
import { Layout } from '../local/layout.ts';
import { requireServing } from '../local/redis-urls.ts';
import { Supervisor } from '../local/supervisor.ts';
import { startRedis } from './fixture/redis-server.ts';
import { DESCRIPTION } from './fixture/world.ts';

const SOUND = { redis_version: '7.0.15', aof_enabled: '1', maxmemory_policy: 'noeviction' };
const PASSWORD = 'very-secret';

/** Listens, and treats each connection like this. */
async function server(handle: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    handle(socket);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  await once(listening, 'listening');
  return `redis://:${PASSWORD}@127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

/** Answers INFO with these facts, and every other command as it is told. */
function redis(facts: Readonly<Record<string, string>>, otherwise = '+OK\r\n'): Promise<string> {
  const text = Object.entries(facts)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('');
  return server((socket) =>
    socket.on('data', (piece: Buffer) => {
      for (const [, command = ''] of piece.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g))
        socket.write(command.toLowerCase() === 'info' ? `$${text.length}\r\n${text}\r\n` : otherwise);
    }),
  );
}

async function told(url: string, deadlineMs?: number, durable = false): Promise<{ code: string; message: string }> {
  const demands = { durable, ...(deadlineMs !== undefined && { deadlineMs }) };
  const error: unknown = await requireServing([url], () => undefined, demands).catch((cause: unknown) => cause);
  const { code, message } = error as { code: string; message: string };
  expect(message).toMatch(/^redis:\/\/127\.0\.0\.1:\d+ /);
  expect(message).not.toContain(PASSWORD);
  return { code, message };
}

describe('a Redis that REDIS_URLS names', () => {
  it('is asked for its version', async () => {
    const said: string[] = [];
    const urls = [await redis(SOUND), await redis({ ...SOUND, redis_version: '6.2.0' })];
    expect(await requireServing(urls, (line) => said.push(line), { durable: true })).toEqual(['7.0.15', '6.2.0']);
    expect(said).toEqual([]);
  });

  it('is told of when it may lose what is queued, without its password, and refused where it must not', async () => {
    const said: string[] = [];
    const weak = await redis({ ...SOUND, aof_enabled: '0', maxmemory_policy: 'allkeys-lru' });
    await requireServing([weak], (line) => said.push(line), { durable: false });
    expect(said).toEqual([expect.stringMatching(/appendonly is off, maxmemory-policy is not noeviction\. Mend/)]);
    expect(said.join()).not.toContain(PASSWORD);
    expect(await told(weak, undefined, true)).toEqual({ code: 'REDIS_UNSAFE', message: said[0] });
  });

  it('is refused when it is too old or no Redis', async () => {
    expect(await told(await redis({ ...SOUND, redis_version: '6.0.16' }))).toMatchObject({
      code: 'REDIS_UNFIT',
      message: expect.stringContaining('6.0.16') as string,
    });
    expect(await told(await redis({}))).toMatchObject({ code: 'REDIS_UNFIT' });
    const http = await server((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await told(http)).toMatchObject({ code: 'REDIS_UNFIT' });
  });

  it('is refused when it is a replica, which takes no write', async () => {
    expect(await told(await redis({ ...SOUND, role: 'slave' }))).toMatchObject({
      code: 'REDIS_UNFIT',
      message: expect.stringContaining('primary') as string,
    });
  });

  it('is refused when it refuses us', async () => {
    const picky = await redis(SOUND, '-WRONGPASS invalid username-password pair\r\n');
    expect(await told(picky)).toMatchObject({
      code: 'REDIS_UNFIT',
      message: expect.stringContaining('WRONGPASS') as string,
    });
  });

  it('is out of reach when nobody listens, hangs up or says nothing', async () => {
    expect(await told('redis://127.0.0.1:1')).toEqual({
      code: 'REDIS_UNREACHABLE',
      message: 'redis://127.0.0.1:1 does not answer (ECONNREFUSED)',
    });
    expect(await told(await server((socket) => socket.destroy()))).toMatchObject({ code: 'REDIS_UNREACHABLE' });
    const silent = await server(() => undefined);
    expect(await told(silent, 100)).toMatchObject({ code: 'REDIS_UNREACHABLE' });
  });
});

describe('a real Redis', () => {
  it.each([
    ['appendonly is off', { appendonly: 'no' }, 'CONFIG SET appendonly yes'],
    ['maxmemory-policy is not noeviction', { appendonly: 'yes', 'maxmemory-policy': 'allkeys-lru' }, 'noeviction'],
  ])(
    'is refused where it must lose nothing when %s, and taken once what it was told to do was done',
    async (fault, settings, mend) => {
      const url = await startRedis(settings);
      const serving = () => requireServing([url], () => undefined, { durable: true });
      const error = (await serving().catch((cause: unknown) => cause)) as Error;
      expect(error).toMatchObject({ code: 'REDIS_UNSAFE', message: expect.stringContaining(fault) as string });
      const [, command = ''] = /Mend it with redis-cli: (.*); CONFIG REWRITE$/.exec(error.message) ?? [];
      expect(command).toContain(mend);
      const client = new Redis(new URL(url).pathname, { replyMapping: 'legacy' });
      onTestFinished(() => client.disconnect());
      const [name = '', ...args] = command.split(' ');
      await client.call(name, ...args);
      expect(await serving()).toEqual([expect.stringMatching(/^\d+\.\d+/)]);
    },
  );

  it('that is weak keeps a federation on Fabric from starting, and is named', async () => {
    const layout = await foundedOn('fabric');
    const REDIS_URLS = await startRedis({ appendonly: 'no' });
    const two = { env: { REDIS_URLS: `${REDIS_URLS} ${REDIS_URLS}` }, mayInstall: false };
    const supervisor = new Supervisor(layout, {}, () => undefined, { host: two });
    onTestFinished(() => supervisor.stop());
    await expect(supervisor.start()).rejects.toMatchObject({
      code: 'REDIS_UNSAFE',
      message: expect.stringContaining(REDIS_URLS) as string,
    });
  });

  it('that is weak is said aloud by a federation on embedded chains, which goes on', async () => {
    const layout = await foundedOn('embedded');
    const urls = await Promise.all([startRedis({ appendonly: 'no' }), startRedis({ appendonly: 'yes' })]);
    const steps: string[] = [];
    const goesOn = Promise.withResolvers<void>();
    const onStep = (step: string): void => {
      if (step.startsWith('preparing')) goesOn.resolve();
      else steps.push(step);
    };
    const supervisor = new Supervisor(layout, {}, onStep, {
      host: { env: { REDIS_URLS: urls.join(' ') }, mayInstall: false },
    });
    const started = supervisor.start();
    started.catch(goesOn.reject);
    await goesOn.promise;
    await supervisor.stop();
    await expect(started).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(steps).toEqual([expect.stringMatching(RegExp(`^${urls[0]} .*appendonly is off`))]);
  });
});

async function foundedOn(engine: string): Promise<Layout> {
  const state = await mkdtemp(join(tmpdir(), 'yilian-redis-state-'));
  onTestFinished(() => rm(state, { recursive: true, force: true }));
  await writeFile(join(state, 'engines.json'), JSON.stringify({ engine }));
  return Layout.open(state, await readDescription(DESCRIPTION));
}

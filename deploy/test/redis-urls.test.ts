import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { requireServing } from '../local/redis-urls.ts';

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

async function told(url: string, deadlineMs?: number): Promise<{ code: string; message: string }> {
  const error: unknown = await requireServing([url], () => undefined, deadlineMs).catch((cause: unknown) => cause);
  const { code, message } = error as { code: string; message: string };
  expect(message).toMatch(/^redis:\/\/127\.0\.0\.1:\d+ /);
  expect(message).not.toContain(PASSWORD);
  return { code, message };
}

describe('a Redis that REDIS_URLS names', () => {
  it('is asked for its version', async () => {
    const said: string[] = [];
    const urls = [await redis(SOUND), await redis({ ...SOUND, redis_version: '6.2.0' })];
    expect(await requireServing(urls, (line) => said.push(line))).toEqual(['7.0.15', '6.2.0']);
    expect(said).toEqual([]);
  });

  it('is told of when it may lose what is queued, without its password', async () => {
    const said: string[] = [];
    const weak = await redis({ ...SOUND, aof_enabled: '0', maxmemory_policy: 'allkeys-lru' });
    await requireServing([weak], (line) => said.push(line));
    expect(said).toEqual([expect.stringContaining('append-only'), expect.stringContaining('evict')]);
    expect(said.join()).not.toContain(PASSWORD);
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

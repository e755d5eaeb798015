import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { endsGracefully } from '../src/index.ts';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function serving(listener: RequestListener) {
  const server = createServer({ keepAliveTimeout: 30_000 }, listener);
  const ending = endsGracefully(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    /** A connection on which `text` was sent; once `received` bytes came, when it is given. */
    async sent(text: string): Promise<Socket> {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      const accepted = once(server, 'connection');
      await Promise.all([once(socket, 'connect'), accepted]);
      socket.write(text);
      return socket;
    },
    async end(): Promise<void> {
      const closed = once(server, 'close');
      ending();
      server.close();
      await closed;
    },
  };
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('connections that are silent, idle or halfway through a request do not hold the end up', async () => {
  const server = await serving((_request, response) => void response.end('answer'));
  await server.sent('');
  await server.sent('GET / HTTP/1.1\r\nHos');
  const idle = await server.sent(REQUEST);
  const [answer] = (await once(idle, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await server.end();
});

test('requests under way are answered, also several on one connection, and nothing after them', async () => {
  const held: (() => void)[] = [];
  const server = await serving((_request, response) => void held.push(() => response.end('answer')));
  const socket = await server.sent(`${REQUEST}${REQUEST}`);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await expect.poll(() => held.length).toBe(2);
  const ended = server.end();
  held[1]?.();
  // Long enough for many sweeps: the first answer is not here yet.
  await new Promise((resolve) => setTimeout(resolve, 200));
  held[0]?.();
  await ended;
  await expect.poll(() => text.match(/answer/g)?.length).toBe(2);
});

test('a server that never listened needs no ending', () => {
  const ending = endsGracefully(createServer());
  expect(ending).not.toThrow();
});

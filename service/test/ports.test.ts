import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePorts, isFree } from '../src/index.ts';

it('finds ports in a row, none of which anybody listens on', async () => {
  const ports = await freePorts(40);
  expect(ports).toEqual(Array.from({ length: 40 }, (_, index) => (ports[0] ?? 0) + index));
  const server = createServer().listen(ports[20], '127.0.0.1');
  await once(server, 'listening');
  expect(await isFree(ports[20] ?? 0)).toBe(false);
  server.close();
});

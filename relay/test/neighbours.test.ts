import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import type { Directory } from '../src/directory.ts';
import { Neighbours } from '../src/neighbours.ts';
import { postJson, under } from '../src/wire.ts';

afterEach(() => vi.useRealTimers());

/** A view of the main chain with these regions, each with the URL of its relay. */
function directory(relays: Readonly<Record<string, string>>, frozen: readonly string[] = []): Directory {
  const regions = Object.entries(relays).map(([region, url]) => ({
    entry: { region, relays: [{ url }, { url: `${url}/second` }], frozen: frozen.includes(region) },
  }));
  return { view: async () => ({ regions }) } as unknown as Directory;
}

it('each other region in good standing is greeted, and not again before its relay might hang up', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const calls: string[] = [];
  const fetch: typeof globalThis.fetch = async (input) => {
    calls.push(new URL(input instanceof Request ? input.url : input).href);
    throw new TypeError('fetch failed');
  };
  const of = directory({ south: 'http://south', north: 'http://north/', cold: 'http://cold', west: 'http://west' }, [
    'cold',
  ]);
  const neighbours = new Neighbours({ region: 'south', directory: of, fetch });
  await neighbours.greet();
  const greeted = ['http://north/health', 'http://west/health'];
  expect(calls).toEqual(greeted);
  vi.advanceTimersByTime(19_999);
  await neighbours.greet();
  expect(calls).toEqual(greeted);
  vi.advanceTimersByTime(1);
  await neighbours.greet();
  expect(calls).toEqual([...greeted, ...greeted]);
});

it('a question after a greeting needs no new connection', async () => {
  let connections = 0;
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const greeted = Promise.withResolvers<void>();
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await globalThis.fetch(input, init);
      // Once it is read to its end, which is the greeting's business, the connection goes back.
      const flush = () => void setImmediate(greeted.resolve);
      return new Response(response.body?.pipeThrough(new TransformStream({ flush })), response);
    };
    await new Neighbours({ region: 'south', directory: directory({ north: url }), fetch }).greet();
    await greeted.promise;
    expect(await postJson(under(url, '/v1/relay'), {}, { timeoutMs: 5000, maxBytes: 100 })).toEqual({});
    expect(connections).toBe(1);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

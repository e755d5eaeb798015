import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { Network, readDistances } from '../../src/network/network.ts';
import { probeNetwork } from '../../src/network/probe.ts';
import { uniform } from './uniform.ts';

const FAR = { rttMs: 20, jitter: 0, mbit: 1000, loss: 0 };
const open = (distances: unknown = FAR, places = ['north', 'south', 'west']) =>
  Network.open({ places, distances: readDistances(distances), random: uniform(1) });

async function serve(answer: (request: IncomingMessage) => Promise<string>) {
  const server = createServer((request, response) => {
    answer(request).then(
      (body) => response.end(body),
      () => response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a network', () => {
  it('has one distance everywhere, or that of each pair in either direction', async () => {
    await using uniform = await open();
    expect(uniform.between('west', 'north')).toEqual(FAR);
    await using matrix = await open([
      { between: ['north', 'south'], ...FAR },
      { between: ['north', 'west'], ...FAR, rttMs: 45 },
      { between: ['west', 'south'], ...FAR, rttMs: 60, mbit: 50 },
    ]);
    expect(matrix.rttMs('west', 'north')).toBe(45);
    expect(matrix.between('south', 'west')).toMatchObject({ rttMs: 60, mbit: 50 });
    expect(matrix.rttMs('south', 'south')).toBe(0);
    expect(() => matrix.between('north', 'north')).toThrow(RangeError);
    expect(() => matrix.between('north', 'moon')).toThrow(RangeError);
  });

  it.each([
    ['a pair is missing', [{ between: ['north', 'south'], ...FAR }]],
    ['a pair is there twice', ['a', 'b'].map(() => ({ between: ['north', 'south'], ...FAR }))],
    ['a distance is none', { ...FAR, loss: 1 }],
    ['a member is missing', { rttMs: 20 }],
    ['a member is unknown', { ...FAR, delay: 3 }],
    ['a place is missing', [{ between: ['north'], ...FAR }]],
  ])('is not made when %s', async (_, distances) => {
    await expect((async () => open(distances, ['north', 'south', 'west']))()).rejects.toThrow(RangeError);
  });

  it('leads to the same address every time, and inside a place straight there', async () => {
    await using network = await open();
    const [first, again] = await Promise.all([1, 2].map(() => network.through('north', 'south', '127.0.0.1:9')));
    expect(again).toBe(first);
    expect(await network.through('south', 'north', '127.0.0.1:9')).not.toBe(first);
    expect(await network.through('west', 'south', '127.0.0.1:9')).not.toBe(first);
    expect(await network.through('south', 'south', '127.0.0.1:9')).toBe('127.0.0.1:9');
    await expect(network.through('south', 'moon', '127.0.0.1:9')).rejects.toThrow(RangeError);
  });

  it('carries a fetch to whom its URL names, with everything but the host', async () => {
    await using network = await open();
    await using server = await serve(
      async (request) =>
        `${request.method} ${request.url} ${String(request.headers['x-signed'])} ${await text(request)}`,
    );
    const fetch = network.fetchFrom('north', (url) => (url.origin === server.url ? 'south' : 'moon'));
    const init = { method: 'POST', headers: { 'x-signed': 'yes' }, body: 'what' };
    const startedAt = performance.now();
    expect(await (await fetch(`${server.url}/a/b?c=d%20e`, init)).text()).toBe('POST /a/b?c=d%20e yes what');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(40);
    expect(await (await fetch(new Request(`${server.url}/r`, init))).text()).toBe('POST /r yes what');
    await expect(fetch('http://127.0.0.1:9/')).rejects.toThrow(RangeError);
    await expect(fetch(server.url.replace('http', 'https'))).rejects.toThrow(TypeError);
  });

  it('ends a fetch that is aborted', async () => {
    await using network = await open({ ...FAR, rttMs: 1000 });
    await using server = await serve(async () => 'late');
    const fetch = network.fetchFrom('north', () => 'south');
    await expect(fetch(server.url, { signal: AbortSignal.timeout(20) })).rejects.toThrow(/aborted/);
  });

  it('counts the bytes between places and within them since it was told to', async () => {
    await using network = await open({ ...FAR, rttMs: 0 });
    await using server = await serve(text);
    const placed = () => 'south';
    const post = async (from: string, body: string) =>
      (await network.fetchFrom(from, placed)(server.url, { method: 'POST', body })).text();
    await post('south', 'x'.repeat(5000));
    const { between: none, within } = network.bytes();
    expect(none).toBe(0);
    expect(within).toBeGreaterThan(10_000);
    expect(within).toBeLessThan(11_000);
    network.resetBytes();
    expect(network.bytes()).toEqual({ between: 0, within: 0 });
    await post('north', 'x'.repeat(7000));
    const { between, within: unchanged } = network.bytes();
    expect(unchanged).toBe(0);
    expect(between).toBeGreaterThan(14_000);
    expect(between).toBeLessThan(15_000);
  });

  it('says how it is made', () => {
    expect(probeNetwork()).toMatch(/^user-space delayer \(.*netem.*\)$/);
  });
});

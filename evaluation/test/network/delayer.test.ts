import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Distance } from '../../src/network/link.ts';
import { Network } from '../../src/network/network.ts';
import { dial, Target, take } from './sockets.ts';
import { uniform } from './uniform.ts';

const FAR: Distance = { rttMs: 20, jitter: 0, mbit: 1000, loss: 0 };

const open = (change: Partial<Distance> = {}, seed = 1) =>
  Network.open({ places: ['north', 'south'], distances: { ...FAR, ...change }, random: uniform(seed) });
const echo = () => Target.open((socket) => socket.pipe(socket));

describe('between two places', () => {
  it('a warm round trip takes what was asked for, and what the event loop was late', async () => {
    await using network = await open();
    await using target = await echo();
    await using line = await dial(await network.through('north', 'south', target.address));
    line.write('warm');
    await take(line, 4);
    using lag = Object.assign(monitorEventLoopDelay({ resolution: 1 }), { [Symbol.dispose]: () => lag.disable() });
    lag.enable();
    const took: number[] = [];
    for (let ping = 0; ping < 15; ping++) {
      const sentAt = performance.now();
      line.write('ping');
      await take(line, 4);
      took.push(performance.now() - sentAt);
    }
    took.sort((a, b) => a - b);
    expect(took[0]).toBeGreaterThanOrEqual(20);
    expect(took[7]).toBeLessThan(20 + 5 + (4 * lag.max) / 1e6);
  });

  it('setting up a connection costs a round trip before the first byte', async () => {
    await using network = await open({ rttMs: 300 });
    await using target = await Target.open();
    const address = await network.through('north', 'south', target.address);
    const startedAt = performance.now();
    await using line = await dial(address);
    line.write('first');
    const callee = await target.connection();
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(150);
    await take(callee, 5);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(450);
    callee.write('reply');
    await take(line, 5);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(600);
  });

  it('whoever is called may speak first, a round trip after the call', async () => {
    await using network = await open();
    await using target = await Target.open((socket) => socket.write('welcome'));
    const startedAt = performance.now();
    await using line = await dial(await network.through('north', 'south', target.address));
    expect(String(await take(line, 7))).toBe('welcome');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(20);
  });

  it('every byte comes, in order and once, under jitter and loss', async () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60_000, size: 'max' }), {
      minLength: 1,
      maxLength: 12,
    });
    await using target = await echo();
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(), async (sent, seed) => {
        await using network = await open({ rttMs: 4, jitter: 0.3, mbit: 500, loss: 0.01 }, seed);
        await using line = await dial(await network.through('north', 'south', target.address));
        const received = buffer(line);
        for (const piece of sent) line.write(piece);
        line.end();
        const all = Buffer.concat(sent);
        expect((await received).equals(all)).toBe(true);
        expect(network.bytes()).toEqual({ between: 2 * all.length, within: 0 });
      }),
      { numRuns: 12 },
    );
  });

  it('the rate is shared by all connections of a direction', async () => {
    await using network = await open({ mbit: 40 });
    const halfMegabyte = 500_000;
    await using target = await Target.open(async (socket) => {
      await take(socket, halfMegabyte);
      socket.write('.');
    });
    const address = await network.through('north', 'south', target.address);
    const send = async () => {
      await using line = await dial(address);
      line.write(Buffer.alloc(halfMegabyte));
      await take(line, 1);
    };
    const startedAt = performance.now();
    await Promise.all([send(), send()]);
    // 8 Mbit at 40 Mbit/s, and two round trips.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(200 + 40);
  });

  it('a target that takes nothing stops the caller, and nothing is lost when it goes on', async () => {
    const sizeBytes = 64 * 1024 * 1024;
    await using network = await open({ rttMs: 2, mbit: 10_000 });
    await using target = await Target.open((socket) => socket.pause());
    await using line = await dial(await network.through('north', 'south', target.address));
    line.write(Buffer.alloc(sizeBytes));
    line.setTimeout(500);
    await once(line, 'timeout');
    line.setTimeout(0);
    // The window, and what the buffers of the kernel hold.
    expect(network.bytes().between).toBeLessThan(sizeBytes / 4);
    const [callee] = target.sockets;
    let received = 0;
    callee?.on('data', (bytes) => {
      received += bytes.length;
    });
    callee?.resume();
    line.end();
    await once(callee!, 'end');
    expect(received).toBe(sizeBytes);
  });

  it('a half-closed connection goes on the other way', async () => {
    await using network = await open();
    await using target = await Target.open(async (socket) => {
      const question = await buffer(socket);
      socket.end(`heard ${String(question)}`);
    });
    await using line = await dial(await network.through('north', 'south', target.address));
    line.end('everything');
    expect(String(await buffer(line))).toBe('heard everything');
  });

  it.each(['caller', 'callee'] as const)('a reset by the %s reaches the other', async (who) => {
    await using network = await open();
    await using target = await Target.open();
    await using caller = await dial(await network.through('north', 'south', target.address));
    caller.write('hello');
    const callee = await target.connection();
    await take(callee, 5);
    const [one, other] = who === 'caller' ? [caller, callee] : [callee, caller];
    const failed = once(other, 'error');
    other.resume();
    const resetAt = performance.now();
    one.resetAndDestroy();
    expect(await failed).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    expect(performance.now() - resetAt).toBeGreaterThanOrEqual(10);
  });

  it('a target that is not there is a reset, a round trip later', async () => {
    await using network = await open();
    const gone = await Target.open();
    const { address } = gone;
    await gone[Symbol.asyncDispose]();
    const startedAt = performance.now();
    await using line = await dial(await network.through('north', 'south', address));
    line.resume();
    expect(await once(line, 'error')).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(20);
  });

  it('closing the network cuts what is under way', async () => {
    await using target = await echo();
    await using line = await (async () => {
      await using network = await open({ rttMs: 1000 });
      const dialled = await dial(await network.through('north', 'south', target.address));
      dialled.write('never comes back');
      return dialled;
    })();
    line.resume();
    if (!line.closed) await once(line, 'end');
    expect(target.sockets).toEqual([]);
  });
});

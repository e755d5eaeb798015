import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Calibration, Mark } from '../results.ts';
import { quantile } from '../statistics/index.ts';
import type { Network } from './network.ts';

/** One pair of places as it was measured. */
export interface Measured {
  readonly from: string;
  readonly to: string;
  readonly askedMs: number;
  /** Median round trip of small messages over a warm connection, milliseconds. */
  readonly rttMs: number;
  /** Of a transfer, less the round trip asked for. */
  readonly mbitPerSecond: number;
}

export interface MeasureOptions {
  /** Round trips for each pair. Default 21. */
  readonly pings?: number;
  /** Bytes of a transfer from one place to the other. Default 1 MiB. */
  readonly transferBytes?: number;
}

/** From one place to the other, one after the other. */
const TRANSFERS = 3;
/** A change beyond this share of the first measurement voids what was measured between the two. */
const DRIFT = 0.1;
/** Of a ping without its length, and of every answer. */
const ANSWER_BYTES = 64;
const LENGTH_BYTES = 4;

/** Measures every pair of places through its delayer: the round trips of all at a time, the transfers one after the other. */
export async function measureNetwork(network: Network, options: MeasureOptions = {}): Promise<Measured[]> {
  const { pings = 21, transferBytes = 1024 * 1024 } = options;
  await using listener = await Listener.open();
  await using lines = new AsyncDisposableStack();
  const { places } = network;
  const pairs = places.flatMap((from, index) => places.slice(index + 1).map((to) => ({ from, to })));
  const warm = await Promise.all(
    pairs.map(async ({ from, to }) => {
      const line = lines.use(await Line.open(await network.through(from, to, listener.address)));
      return { from, to, line, rttMs: await line.medianPing(pings) };
    }),
  );
  const measured: Measured[] = [];
  for (const { from, to, line, rttMs } of warm) {
    const askedMs = network.rttMs(from, to);
    const took: number[] = [];
    for (let transfer = 0; transfer < TRANSFERS; transfer++) took.push(await line.send(transferBytes));
    // Whatever else goes on in this process can only slow a transfer down: the fastest tells of the line.
    const transferMs = Math.min(...took) - askedMs;
    measured.push({ from, to, askedMs, rttMs, mbitPerSecond: (transferBytes * 8) / 1000 / transferMs });
  }
  return measured;
}

/** Both measurements of a network as they are written down; of the throughputs the lower one. */
export function calibrationsOf(before: readonly Measured[], after: readonly Measured[]): Calibration[] {
  return pairsOf(before, after).map(([first, last]) => ({
    from: first.from,
    to: first.to,
    askedMs: first.askedMs,
    beforeMs: first.rttMs,
    afterMs: last.rttMs,
    mbitPerSecond: Math.min(first.mbitPerSecond, last.mbitPerSecond),
  }));
}

/** Voids what was measured while a round trip or a throughput changed by more than a tenth. */
export function drift(before: readonly Measured[], after: readonly Measured[]): Mark[] {
  return pairsOf(before, after).flatMap(([first, last]): Mark[] => {
    const changes = [
      { of: 'round trip', unit: 'ms', was: first.rttMs, is: last.rttMs },
      { of: 'throughput', unit: 'Mbit/s', was: first.mbitPerSecond, is: last.mbitPerSecond },
    ].filter(({ was, is }) => Math.abs(is - was) > DRIFT * was);
    return changes.map(({ of, unit, was, is }) => ({
      weight: 'void',
      code: 'NETWORK_DRIFT',
      detail: `${of} from ${first.from} to ${first.to}: ${was.toFixed(1)} ${unit}, then ${is.toFixed(1)}`,
    }));
  });
}

function pairsOf(before: readonly Measured[], after: readonly Measured[]): [Measured, Measured][] {
  return before.map((first) => {
    const last = after.find(({ from, to }) => from === first.from && to === first.to);
    if (last === undefined) throw new RangeError(`From ${first.from} to ${first.to} was measured once only`);
    return [first, last];
  });
}

/** Answers each message, a length and so many bytes, once it has all of it. */
class Listener implements AsyncDisposable {
  readonly #server = createServer((socket) => this.#answer(socket));
  readonly #sockets = new Set<Socket>();

  static async open(): Promise<Listener> {
    const listener = new Listener();
    listener.#server.listen(0, '127.0.0.1');
    await once(listener.#server, 'listening');
    return listener;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #answer(socket: Socket): void {
    this.#sockets.add(socket);
    let length = Buffer.alloc(0);
    let missing = 0;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      let body = bytes;
      if (missing === 0) {
        length = Buffer.concat([length, bytes]);
        if (length.length < LENGTH_BYTES) return;
        missing = length.readUInt32BE();
        body = length.subarray(LENGTH_BYTES);
        length = Buffer.alloc(0);
      }
      missing -= body.length;
      if (missing === 0) socket.write(Buffer.alloc(ANSWER_BYTES));
    });
  }
}

/** A connection that carries one message at a time. */
class Line implements AsyncDisposable {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(address: string): Promise<Line> {
    const { hostname: host, port } = new URL(`tcp://${address}`);
    const socket = connect({ host, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    const line = new Line(socket);
    // The first message pays for setting the connection up.
    await line.send(ANSWER_BYTES);
    return line;
  }

  /** Median of `count` round trips, milliseconds. */
  async medianPing(count: number): Promise<number> {
    const took: number[] = [];
    for (let ping = 0; ping < count; ping++) took.push(await this.send(ANSWER_BYTES));
    return quantile(took, 0.5);
  }

  /** Milliseconds until the answer to a message of this size is there. */
  async send(sizeBytes: number): Promise<number> {
    const message = Buffer.alloc(LENGTH_BYTES + sizeBytes);
    message.writeUInt32BE(sizeBytes);
    const sentAt = performance.now();
    this.#socket.write(message);
    for (let missing = ANSWER_BYTES; missing > 0; ) {
      const [bytes] = (await once(this.#socket, 'data')) as [Buffer];
      missing -= bytes.length;
    }
    return performance.now() - sentAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }
}

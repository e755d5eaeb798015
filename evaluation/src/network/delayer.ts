import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { Lane } from './lane.ts';
import type { Link, Send } from './link.ts';

export interface Route {
  /** `host:port` of who is called. */
  readonly target: string;
  readonly there: Link;
  readonly back: Link;
  /** What is under way at most in each direction of a connection, give or take one read of a socket. */
  readonly windowBytes: number;
  readonly clock: Clock;
}

/**
 * Stands on loopback before somebody far away: connections to it come out at the target, every byte as late as the link says.
 * A connection is charged a round trip before its first byte sets out, as TCP's handshake is. The caller's own `connect`
 * succeeds at once, so a target that is not there is met as a reset a round trip later, not as a refusal. Half-open
 * connections stay half open; a reset arrives as one, after what was sent before it.
 */
export class Delayer implements AsyncDisposable {
  readonly address: string;
  readonly #server: Server;
  readonly #crossings = new Set<Crossing>();

  private constructor(server: Server, route: Route) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (caller) => {
      const crossing = new Crossing(caller, route, () => this.#crossings.delete(crossing));
      this.#crossings.add(crossing);
    });
  }

  static async listen(route: Route): Promise<Delayer> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Delayer(server, route);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const crossing of this.#crossings) crossing.cut();
    await once(this.#server, 'close');
  }
}

/** One connection from its caller to the target and back. */
class Crossing {
  readonly #route: Route;
  readonly #caller: Socket;
  readonly #toCaller: Send;
  readonly #sockets: Socket[] = [];
  readonly #flows: Flow[] = [];
  readonly #onOver: () => void;
  #cancel: () => void;

  constructor(caller: Socket, route: Route, onOver: () => void) {
    this.#route = route;
    this.#caller = caller;
    this.#toCaller = route.back.stream();
    this.#onOver = onOver;
    this.#hold(caller);
    const toCallee = route.there.stream();
    this.#cancel = route.clock.at(toCallee(0, performance.now()), () => this.#knock(toCallee));
  }

  cut(): void {
    this.#cancel();
    for (const flow of this.#flows) flow.stop();
    for (const socket of this.#sockets) socket.destroy();
  }

  #knock(toCallee: Send): void {
    const { target, clock } = this.#route;
    const { hostname: host, port } = new URL(`tcp://${target}`);
    const callee = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    this.#hold(callee);
    this.#flows.push(new Flow(callee, this.#caller, this.#toCaller, this.#route));
    callee.once('connect', () => {
      this.#cancel = clock.at(this.#toCaller(0, performance.now()), () => {
        this.#flows.push(new Flow(this.#caller, callee, toCallee, this.#route));
        this.#caller.resume();
      });
    });
  }

  #hold(socket: Socket): void {
    this.#sockets.push(socket);
    // What happened to a socket is passed on when it closes.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#sockets.every(({ closed }) => closed)) this.#onOver();
    });
  }
}

/** One direction of a connection: what has left its source and not yet come to its sink. */
class Flow {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #send: Send;
  readonly #clock: Clock;
  readonly #windowBytes: number;
  /** Without bytes: the end. */
  readonly #lane: Lane<Buffer | undefined>;
  #underWayBytes = 0;
  #isStopped = false;

  constructor(source: Socket, sink: Socket, send: Send, { clock, windowBytes }: Route) {
    this.#source = source;
    this.#sink = sink;
    this.#send = send;
    this.#clock = clock;
    this.#windowBytes = windowBytes;
    this.#lane = new Lane(clock, (bytes) => this.#deliver(bytes));
    source.on('data', (bytes: Buffer) => this.#setOut(bytes));
    source.on('end', () => this.#lane.put(undefined, send(0, performance.now())));
    source.on('close', (isBroken: boolean) => {
      if (isBroken || !source.readableEnded) this.#reset();
    });
    sink.on('drain', () => this.#lane.resume());
  }

  stop(): void {
    this.#isStopped = true;
    this.#lane.clear();
  }

  #setOut(bytes: Buffer): void {
    this.#underWayBytes += bytes.length;
    if (this.#underWayBytes >= this.#windowBytes) this.#source.pause();
    this.#lane.put(bytes, this.#send(bytes.length, performance.now()));
  }

  #deliver(bytes: Buffer | undefined): boolean {
    if (bytes === undefined) {
      this.#sink.end();
      return false;
    }
    this.#underWayBytes -= bytes.length;
    if (this.#underWayBytes < this.#windowBytes && this.#source.isPaused()) this.#source.resume();
    return this.#sink.write(bytes);
  }

  /** It comes after what is under way, but does not wait for a sink that takes nothing. */
  #reset(): void {
    if (this.#isStopped || this.#sink.destroyed) return;
    this.#clock.at(this.#send(0, performance.now()), () => {
      this.stop();
      this.#sink.resetAndDestroy();
    });
  }
}

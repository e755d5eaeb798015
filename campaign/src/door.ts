import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * An address that stays while the process behind it dies and comes again on another port. Whoever knocks while nobody is
 * behind it, or while it is shut, is cut off.
 */
export class Door implements AsyncDisposable {
  readonly address: string;
  /** Loopback port of the process behind it. */
  target: number | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #shut = false;

  private constructor(server: Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => this.#enter(socket));
  }

  static async open(): Promise<Door> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Door(server);
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** Cuts every connection, and all that come until {@link unshut}: a network that is gone. */
  shut(): void {
    this.#shut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  unshut(): void {
    this.#shut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #enter(caller: Socket): void {
    if (this.#shut || this.target === undefined) {
      caller.destroy();
      return;
    }
    const callee = connect(this.target, '127.0.0.1');
    for (const [socket, other] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP server on loopback, closed with all its connections. */
export class Target implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(onConnection: (socket: Socket) => unknown) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined);
      onConnection(socket);
    });
  }

  static async open(onConnection: (socket: Socket) => unknown = () => undefined): Promise<Target> {
    const target = new Target(onConnection);
    target.#server.listen(0, '127.0.0.1');
    await once(target.#server, 'listening');
    return target;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next connection. */
  async connection(): Promise<Socket> {
    const [socket] = (await once(this.#server, 'connection')) as [Socket];
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

export async function dial(address: string): Promise<Socket & AsyncDisposable> {
  const { hostname: host, port } = new URL(`tcp://${address}`);
  const socket = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return Object.assign(socket, {
    async [Symbol.asyncDispose]() {
      if (socket.closed) return;
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    },
  });
}

/** So many bytes of what comes. */
export async function take(socket: Socket, sizeBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let size = 0; size < sizeBytes; ) {
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    pieces.push(bytes);
    size += bytes.length;
  }
  return Buffer.concat(pieces);
}

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Published by the HTTP client beneath `fetch` for each connection it opens. */
const CONNECTED = 'undici:client:connected';

interface Connected {
  readonly connectParams: { readonly hostname: string; readonly port: string };
  readonly socket: Socket;
}

/** Counts what `fetch` of this process moves over connections to chosen addresses, both ways, headers included. */
export class DirectBytes implements Disposable {
  readonly #counted = new Set<string>();
  readonly #open = new Map<Socket, string>();
  readonly #closed = new Map<string, number>();
  readonly #listener = (message: unknown) => this.#enter(message as Connected);

  /** Connections opened before are not seen. */
  constructor() {
    subscribe(CONNECTED, this.#listener);
  }

  /** @param address `host:port` */
  count(address: string): void {
    this.#counted.add(address);
  }

  get bytes(): number {
    let bytes = 0;
    for (const [address, count] of this.#closed) if (this.#counted.has(address)) bytes += count;
    for (const [socket, address] of this.#open) if (this.#counted.has(address)) bytes += moved(socket);
    return bytes;
  }

  [Symbol.dispose](): void {
    unsubscribe(CONNECTED, this.#listener);
  }

  #enter({ connectParams: { hostname, port }, socket }: Connected): void {
    const address = `${hostname}:${port}`;
    this.#open.set(socket, address);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#closed.set(address, (this.#closed.get(address) ?? 0) + moved(socket));
    });
  }
}

function moved({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten;
}

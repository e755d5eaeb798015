import type { Server } from 'node:http';
import type { Socket } from 'node:net';

const SWEEP_MS = 50;

interface Open {
  readonly socket: Socket;
  /** Requests on it that are not answered yet. */
  underWay: number;
}

/**
 * Makes a server end as soon as what is under way is answered. Node's own `closeIdleConnections` spares connections on
 * which no request has come yet, or only a piece of one, and stops timing them out: one of them would hold the end up
 * for as long as it likes.
 * @returns what is to be called when the server begins to close; it does nothing unless the server listens
 */
export function endsGracefully(server: Server): () => void {
  /** By their other end: over TLS, requests come on another socket than the connection's own. */
  const connections = new Map<string, Open>();
  server.on('connection', (socket) => {
    const end = otherEnd(socket);
    const open = { socket, underWay: 0 };
    connections.set(end, open);
    socket.once('close', () => {
      if (connections.get(end) === open) connections.delete(end);
    });
  });
  server.on('request', ({ socket }, response) => {
    const open = connections.get(otherEnd(socket));
    if (open === undefined) return;
    open.underWay += 1;
    response.once('close', () => {
      open.underWay -= 1;
    });
  });
  const sweep = (): void => {
    for (const { socket, underWay } of connections.values()) if (underWay === 0) socket.destroy();
  };
  return () => {
    if (!server.listening) return;
    const sweeping = setInterval(sweep, SWEEP_MS);
    server.once('close', () => clearInterval(sweeping));
  };
}

function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

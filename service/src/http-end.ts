import type { Server } from 'node:http';
import type { Socket } from 'node:net';

const SWEEP_MS = 50;

/**
 * Makes a server end as soon as what is under way is answered. Node's own `closeIdleConnections` spares connections on
 * which no request has come yet, or only a piece of one, and stops timing them out: one of them would hold the end up
 * for as long as it likes.
 * @returns what is to be called when the server begins to close; it does nothing unless the server listens
 */
export function endsGracefully(server: Server): () => void {
  /** Requests under way on each connection. */
  const connections = new Map<Socket, number>();
  const count = (socket: Socket, change: number): void => {
    const underWay = connections.get(socket);
    if (underWay !== undefined) connections.set(socket, underWay + change);
  };
  server.on('connection', (socket) => {
    connections.set(socket, 0);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    count(socket, 1);
    response.once('close', () => count(socket, -1));
  });
  const sweep = (): void => {
    for (const [socket, underWay] of connections) if (underWay === 0) socket.destroy();
  };
  return () => {
    if (!server.listening) return;
    const sweeping = setInterval(sweep, SWEEP_MS);
    server.once('close', () => clearInterval(sweeping));
  };
}

import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Below the ports a system gives to outgoing connections, which could otherwise take one while its service restarts. */
const FIRST = 12_000;
const LAST = 32_000;
const LOOPBACK = '127.0.0.1';

/**
 * That many ports in a row of the loopback interface that nobody listens on. In a row: whoever chooses at the same time
 * hardly chooses the same, and sees a row that another has begun to use as taken.
 */
export async function freePorts(count: number): Promise<number[]> {
  for (;;) {
    const first = randomInt(FIRST, LAST - count);
    const row = Array.from({ length: count }, (_, index) => first + index);
    if (await areFree(row)) return row;
  }
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) if (!(await isFree(port))) return false;
  return true;
}

/** Whether nobody listens on a port, of the loopback interface unless another address is named. */
export function isFree(port: number, host = LOOPBACK): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/** Returns when somebody accepts connections on a port of the loopback interface, or of an address. @throws the reason of an aborted signal */
export async function accepting(port: number, signal?: AbortSignal, host = LOOPBACK): Promise<void> {
  while (!(await accepts(port, host))) await delay(20, undefined, { signal });
}

function accepts(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

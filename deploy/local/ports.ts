import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports a system gives to outgoing connections, which could otherwise take one while its service restarts. */
const FIRST = 12_000;
const LAST = 32_000;

/** That many ports of the loopback interface that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = randomInt(FIRST, LAST);
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  return [...found];
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

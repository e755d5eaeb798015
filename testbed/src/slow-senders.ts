import { connect } from 'node:net';

/** Senders that drip on until they are cut off, or disposed of. */
interface SlowSenders extends Disposable {
  /** When the server has cut all of them off. */
  readonly cutOff: Promise<unknown>;
}

/** Begins a head and a body that never end at a route of a server on this machine that takes JSON by POST. */
export function slowSenders(port: number, route: string): SlowSenders {
  const head = `POST ${route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  const sockets = [`${head}X-Long: `, `${head}Content-Length: 10000\r\n\r\n{`].map((beginning) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write(beginning);
    // Being cut off may be an error of the socket; it closes then too.
    const closed = new Promise((resolve) => socket.resume().once('close', resolve));
    return { socket, closed, dripping: setInterval(() => socket.write(' '), 50) };
  });
  return {
    cutOff: Promise.all(sockets.map(({ closed }) => closed)),
    [Symbol.dispose]: () => {
      for (const { socket, dripping } of sockets) {
        clearInterval(dripping);
        socket.destroy();
      }
    },
  };
}

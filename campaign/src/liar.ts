import { once } from 'node:events';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Door } from './door.ts';
import { CampaignError } from './errors.ts';

/** What somebody said to a peer. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** What the peer said to it. */
export interface Reply {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/**
 * What is done with a call in the place of passing it on. `honest` passes a call on, the same one unless another is given.
 * Without a reply the caller is cut off.
 */
export type Lie = (call: Call, honest: (call?: Call) => Promise<Reply>) => Promise<Reply | undefined>;

/** A lie that is being told. */
export class Told {
  /** How often somebody was lied to. */
  times = 0;
  /** What went wrong with the lie itself: the test's fault, not the victim's. */
  failure: unknown;
  readonly lie: Lie;
  readonly #end: () => void;

  constructor(lie: Lie, end: () => void) {
    this.lie = lie;
    this.#end = end;
  }

  /** Honest again. @throws WRONG_RESULT when nobody was lied to, or the lie itself failed */
  stop(): void {
    this.#end();
    if (this.failure !== undefined)
      throw new CampaignError('WRONG_RESULT', 'the lie itself failed', { cause: this.failure });
    if (this.times === 0) throw new CampaignError('WRONG_RESULT', 'nobody was lied to');
  }
}

/** These say how one connection carries a message, not what is said. */
const OF_THE_CONNECTION = ['connection', 'content-length', 'host', 'keep-alive', 'transfer-encoding'];

/**
 * A modified peer: a server that took the place of an honest one behind its door. What it has no lie about it passes on,
 * both ways. It sits there until the honest peer is started again or the liar is closed.
 */
export class Liar implements AsyncDisposable {
  readonly #server = createServer((incoming, response) => void this.#hear(incoming, response));
  readonly #door: Door;
  readonly #honest: number;
  readonly #lies = new Map<string, Told>();

  private constructor(door: Door, honest: number) {
    this.#door = door;
    this.#honest = honest;
  }

  static async behind(door: Door): Promise<Liar> {
    if (door.target === undefined) throw new CampaignError('ENDED', 'there is no peer whose place a liar could take');
    const liar = new Liar(door, door.target);
    await liar.#enter();
    return liar;
  }

  /** Lies about every call whose path or body names the subject, and about one subject one lie at a time. */
  about(subject: string, lie: Lie): Told {
    const told = new Told(lie, () => this.#lies.delete(subject));
    this.#lies.set(subject, told);
    return told;
  }

  /** Says something to the honest peer, on its real port. */
  async say(call: Call): Promise<Reply> {
    const answer = await this.#forward(call);
    return { status: answer.statusCode ?? 0, headers: said(answer), body: await bodyOf(answer) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#door.target === (this.#server.address() as AddressInfo).port) this.#door.target = this.#honest;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #enter(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#door.target = (this.#server.address() as AddressInfo).port;
    // Connections that lead to the honest peer would be used again.
    this.#door.shut();
    await breathe();
    this.#door.unshut();
  }

  async #hear(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let told: Told | undefined;
    try {
      const body = await bodyOf(incoming);
      const call = { method: incoming.method ?? 'GET', path: incoming.url ?? '/', headers: said(incoming), body };
      told = [...this.#lies].find(([subject]) => call.path.includes(subject) || body.includes(subject))?.[1];
      if (told === undefined) {
        const answer = await this.#forward(call);
        response.writeHead(answer.statusCode ?? 0, said(answer));
        answer.on('error', () => response.destroy()).pipe(response);
        return;
      }
      told.times += 1;
      const reply = await told.lie(call, (changed = call) => this.say(changed));
      if (reply === undefined) response.destroy();
      else response.writeHead(reply.status, { ...reply.headers, 'content-length': reply.body.length }).end(reply.body);
    } catch (error) {
      if (told !== undefined) told.failure ??= error;
      response.destroy();
    }
  }

  async #forward({ method, path, headers, body }: Call): Promise<IncomingMessage> {
    const outgoing = request({
      host: '127.0.0.1',
      port: this.#honest,
      method,
      path,
      headers: { ...headers, ...(body.length > 0 && { 'content-length': body.length }) },
    });
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
    outgoing.end(body);
    const [answer] = await answered;
    return answer;
  }
}

/** The JSON of a call or reply. */
export function read<T>({ body }: Pick<Call, 'body'>): T {
  return JSON.parse(body.toString()) as T;
}

/** The same call or reply with other JSON in it. */
export function saying<M extends Call | Reply>(message: M, value: unknown): M {
  return { ...message, body: Buffer.from(JSON.stringify(value)) };
}

function said({ headers }: IncomingMessage): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_CONNECTION.includes(name)));
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(message as AsyncIterable<Buffer>));
}

import { describe, expect, test } from 'vitest';
import { RelayClient } from '../src/index.ts';
import { failure } from './fixture/case.ts';

const ID = 'A'.repeat(43);
type Handler = (url: URL, init: RequestInit) => Response | Promise<Response>;

function relay(handler: Handler, timeoutMs?: number): RelayClient {
  const fetch = async (input: Parameters<typeof globalThis.fetch>[0], init: RequestInit = {}) => {
    init.signal?.throwIfAborted();
    return handler(new URL(input instanceof Request ? input.url : input), init);
  };
  return new RelayClient('http://relay.test/base/', { fetch, ...(timeoutMs !== undefined && { timeoutMs }) });
}

const status = (...states: string[]) => {
  const legs = states.map((state, index) => ({ region: `region-${'ab'[index] ?? ''}`, state }));
  return { requestId: ID, final: !states.includes('pending'), legs };
};
const events = (...texts: string[]) =>
  new Response(
    texts.map((text) => Buffer.from(text)).reduce((all, next) => Buffer.concat([all, next])),
    {
      headers: { 'content-type': 'text/event-stream' },
    },
  );
const event = (value: unknown) => `: hello\nevent: status\ndata: ${JSON.stringify(value)}\n\n`;

async function watched(client: RelayClient, options = {}) {
  const seen: string[] = [];
  for await (const { legs } of client.watch(ID, { pollMs: 1, ...options }))
    seen.push(legs.map(({ state }) => state).join());
  return seen;
}

describe('a relay’s reply', () => {
  test('is asked for below the relay’s URL, without cookies and redirects', async () => {
    const calls: [string, RequestInit][] = [];
    const client = relay((url, init) => {
      calls.push([url.href, init]);
      return Response.json(status('released'));
    });
    expect(await client.status(ID)).toEqual(status('released'));
    expect(calls[0]![0]).toBe(`http://relay.test/base/v1/requests/${ID}`);
    expect(calls[0]![1]).toMatchObject({ method: 'GET', redirect: 'error', credentials: 'omit' });
  });

  test.each<[string, Handler, object]>([
    ['of another shape', () => Response.json({ requestId: ID }), { code: 'REPLY_MALFORMED' }],
    ['that is not JSON', () => new Response('{'), { code: 'REPLY_MALFORMED' }],
    ['that is not UTF-8', () => new Response(Uint8Array.of(34, 0xff, 34)), { code: 'REPLY_MALFORMED' }],
    ['that never ends', () => new Response(endless()), { code: 'REPLY_TOO_LARGE' }],
    ['with a code', () => Response.json({ code: 'BUSY', message: 'later' }, { status: 429 }), { code: 'BUSY' }],
    ['with a code that is none', () => Response.json({ code: 'oh\n' }, { status: 500 }), { code: 'UNREACHABLE' }],
    ['of a server that is not one', () => new Response('<html>', { status: 502 }), { code: 'UNREACHABLE' }],
    ['that never comes', () => Promise.reject(new TypeError('fetch failed')), { code: 'UNREACHABLE' }],
  ])('%s is an error with a code', async (_, handler, expected) => {
    expect(await failure(() => relay(handler).status(ID))).toEqual(expected);
  });

  test('that takes too long is given up', async () => {
    const client = relay((_, { signal }) => {
      const { promise, reject } = Promise.withResolvers<Response>();
      signal?.addEventListener('abort', () => reject(signal.reason));
      return promise;
    }, 20);
    expect(await failure(() => client.status(ID))).toEqual({ code: 'TIMEOUT' });
  });

  test('is no longer waited for when the caller gives up', async () => {
    const reason = new Error('closed');
    const act = relay(() => Response.json(status('released'))).status(ID, AbortSignal.abort(reason));
    await expect(act).rejects.toThrow(reason);
  });

  test('brings its message to the terminal without control characters', async () => {
    const client = relay(() => Response.json({ code: 'BUSY', message: 'a\u001b[2Jb' }, { status: 503 }));
    await expect(client.proxies()).rejects.toThrow('BUSY: a [2Jb');
  });

  test('is asked of http and https services only', async () => {
    for (const url of ['file:///etc/passwd', 'relay', '']) {
      expect(await failure(() => new RelayClient(url))).toEqual({ code: 'ARGUMENT_INVALID' });
    }
  });
});

describe('watching a request', () => {
  test('follows the events to the final one', async () => {
    const client = relay(({ pathname }) =>
      pathname.endsWith('/events')
        ? events(event(status('pending', 'released')), event(status('denied', 'released')))
        : Response.json({ code: 'UNASKED', message: 'events say it all' }, { status: 400 }),
    );
    expect(await watched(client)).toEqual(['pending,released', 'denied,released']);
  });

  test('falls back on asking again when there are no events', async () => {
    const states = ['pending', 'waiting', 'released'];
    let asked = 0;
    const client = relay(({ pathname }) => {
      if (pathname.endsWith('/events')) return new Response('', { status: 404 });
      asked += 1;
      return Response.json({ ...status(states[asked - 1] ?? ''), final: asked === 3 });
    });
    expect(await watched(client)).toEqual(states);
  });

  test('survives events that are none, of another request, or cut off', async () => {
    const other = event({ ...status('released'), requestId: `${'A'.repeat(42)}E` });
    const texts = [other, 'event: status\ndata: {"final":true\n\n'];
    let asked = 0;
    const client = relay(({ pathname }) => {
      if (pathname.endsWith('/events')) return events(texts[asked - 1] ?? 'event: stat');
      asked += 1;
      return Response.json(asked === 4 ? status('released') : status('pending'));
    });
    expect(await watched(client)).toEqual(['pending', 'released']);
    expect(asked).toBe(4);
  });

  test('ends with the relay’s error when it knows no such request, and with silence after a while', async () => {
    const unknown = relay(() => Response.json({ code: 'REQUEST_UNKNOWN', message: 'no' }, { status: 404 }));
    expect(await failure(() => watched(unknown))).toEqual({ code: 'REQUEST_UNKNOWN' });
    const silent = relay(() => Promise.reject(new TypeError('fetch failed')));
    expect(await failure(() => watched(silent, { patienceMs: 1 }))).toEqual({ code: 'UNREACHABLE' });
  });

  test('ends when the caller gives up', async () => {
    const closed = new AbortController();
    const client = relay(({ pathname }) => {
      if (pathname.endsWith('/events')) closed.abort(new Error('closed'));
      return Response.json(status('pending'));
    });
    await expect(watched(client, { signal: closed.signal })).rejects.toThrow('closed');
  });
});

function endless(): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(1024 * 1024).fill(32);
  return new ReadableStream({ pull: (controller) => controller.enqueue(piece) });
}

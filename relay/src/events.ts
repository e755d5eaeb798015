import type { ServerResponse } from 'node:http';
import type { RequestStatus } from './api.ts';
import { RelayError } from './errors.ts';
import type { Requests } from './requests.ts';
import type { Signals } from './signals.ts';

const HEARTBEAT_MS = 10_000;
const LIFETIME_MS = 15 * 60_000;

/**
 * Server-sent events about one request. Every event is the whole state, so that a client that comes back needs
 * nothing from before.
 */
export class EventStreams {
  readonly #requests: Requests;
  readonly #signals: Signals;
  readonly #max: number;
  readonly #open = new Set<() => void>();

  constructor(requests: Requests, signals: Signals, max: number) {
    this.#requests = requests;
    this.#signals = signals;
    this.#max = max;
  }

  /** @throws BUSY, or the contract's REQUEST_UNKNOWN; then nothing is written */
  async stream(requestId: string, response: () => ServerResponse): Promise<void> {
    if (this.#open.size >= this.#max) throw new RelayError('BUSY', 'too many event streams are open');
    let changed = Promise.withResolvers<void>();
    using _listening = this.#signals.on(requestId, () => changed.resolve());
    const over = new AbortController();
    const end = () => {
      over.abort();
      changed.resolve();
    };
    this.#open.add(end);
    const timer = setTimeout(end, LIFETIME_MS);
    try {
      let status = await this.#requests.status(requestId);
      const raw = response();
      raw.once('close', end);
      raw.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      let last = write(raw, status, '');
      while (!status.final && !over.signal.aborted) {
        const heartbeat = setTimeout(() => {
          raw.write(':\n\n');
          changed.resolve();
        }, HEARTBEAT_MS);
        await changed.promise;
        clearTimeout(heartbeat);
        changed = Promise.withResolvers<void>();
        if (over.signal.aborted) break;
        status = await this.#requests.status(requestId).catch(() => status);
        last = write(raw, status, last);
      }
      raw.end();
    } finally {
      clearTimeout(timer);
      this.#open.delete(end);
    }
  }

  close(): void {
    for (const end of this.#open) end();
  }
}

/** Writes a status unless it is the one written last. */
function write(raw: ServerResponse, status: RequestStatus, last: string): string {
  const data = JSON.stringify(status);
  if (data !== last) raw.write(`event: status\ndata: ${data}\n\n`);
  return data;
}

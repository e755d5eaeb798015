import type { ServerResponse } from 'node:http';
import type { RequestStatus } from './api.ts';
import { RelayError } from './errors.ts';
import type { Requests } from './requests.ts';
import type { Signals } from './signals.ts';

const HEARTBEAT_MS = 10_000;
const LIFETIME_MS = 15 * 60_000;
const MAX_WAIT_SECONDS = 30;

/**
 * Those who wait for a request's final word: on a stream of server-sent events, or on the answer itself. Every event is
 * the whole state, so that a client that comes back needs nothing from before.
 */
export class Watchers {
  readonly #requests: Requests;
  readonly #signals: Signals;
  readonly #max: number;
  readonly #open = new Set<AbortController>();

  constructor(requests: Requests, signals: Signals, max: number) {
    this.#requests = requests;
    this.#signals = signals;
    this.#max = max;
  }

  /** @throws BUSY, or the contract's REQUEST_UNKNOWN; then nothing is written */
  async stream(requestId: string, response: () => ServerResponse): Promise<void> {
    if (this.#open.size >= this.#max) throw new RelayError('BUSY', 'too many are watching');
    let raw: ServerResponse | undefined;
    let last = '';
    using watcher = this.#enter(LIFETIME_MS);
    for await (const status of this.#looks(requestId, watcher.over)) {
      if (raw === undefined) {
        raw = response();
        watcher.leaveWith(raw);
        raw.writeHead(200, {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
        });
      }
      const data = JSON.stringify(status);
      raw.write(data === last ? ':\n\n' : `event: status\ndata: ${data}\n\n`);
      last = data;
    }
    raw?.end();
  }

  /**
   * Where a request stands once every leg has its final word, or after `seconds`, or at once where too many watch.
   * @throws the contract's REQUEST_UNKNOWN
   */
  async final(requestId: string, seconds: number, raw: ServerResponse): Promise<RequestStatus | undefined> {
    if (seconds === 0 || this.#open.size >= this.#max) return undefined;
    using watcher = this.#enter(Math.min(seconds, MAX_WAIT_SECONDS) * 1000);
    watcher.leaveWith(raw);
    let last: RequestStatus | undefined;
    for await (const status of this.#looks(requestId, watcher.over)) last = status;
    return last;
  }

  close(): void {
    for (const watcher of this.#open) watcher.abort();
  }

  /** Looks at every signal, and now and then without one, since it may have been lost; the last look is final unless it is `over`. */
  async *#looks(requestId: string, over: AbortSignal): AsyncGenerator<RequestStatus, void, undefined> {
    let changed = Promise.withResolvers<void>();
    const wake = () => changed.resolve();
    using _listening = this.#signals.on(requestId, wake);
    over.addEventListener('abort', wake);
    let status = await this.#requests.status(requestId);
    for (;;) {
      yield status;
      if (status.final || over.aborted) return;
      const heartbeat = setTimeout(wake, HEARTBEAT_MS);
      await changed.promise;
      clearTimeout(heartbeat);
      changed = Promise.withResolvers<void>();
      if (over.aborted) return;
      status = await this.#requests.status(requestId).catch(() => status);
    }
  }

  #enter(ms: number): { readonly over: AbortSignal; leaveWith(raw: ServerResponse): void } & Disposable {
    const watcher = new AbortController();
    const leave = () => watcher.abort();
    const timer = setTimeout(leave, ms);
    this.#open.add(watcher);
    return {
      over: watcher.signal,
      leaveWith: (raw) => void raw.once('close', leave),
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        this.#open.delete(watcher);
      },
    };
  }
}

/** The seconds a client will wait, of `Prefer: wait` (RFC 7240 §4.3); 0 unless it says so. */
export function secondsToWait(prefer: string | undefined): number {
  const [, seconds] = /(?:^|[\s,;])wait="?(\d{1,4})"?(?:$|[\s,;])/i.exec(prefer ?? '') ?? [];
  return Number(seconds ?? 0);
}

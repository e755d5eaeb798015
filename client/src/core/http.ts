import { ClientError, codeOf } from './client-error.ts';

export interface HttpOptions {
  /** Takes the place of the global `fetch`, for client certificates or a proxy. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Time for one call, in milliseconds; 30 s when left out. */
  readonly timeoutMs?: number | undefined;
}

export interface Call {
  readonly method?: 'GET' | 'POST';
  readonly body?: unknown;
  /** How long the service may hold its answer back until there is something to say (RFC 7240 `Prefer: wait`). */
  readonly waitSeconds?: number;
  /** Largest reply in bytes. */
  readonly limitBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;
const REPLY_BYTES = 16 * 1024 * 1024;
const ERROR_BYTES = 16 * 1024;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const ERROR_CODE = /^[A-Z][A-Z0-9_]{2,63}$/;

/** JSON over HTTP to one service, believing nothing it says. */
export class HttpService {
  readonly url: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeoutMs: number;

  /** @throws ARGUMENT_INVALID unless an http or https URL */
  constructor(url: string, { fetch = globalThis.fetch.bind(globalThis), timeoutMs = TIMEOUT_MS }: HttpOptions = {}) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new ClientError('ARGUMENT_INVALID', 'a service has an http or https URL');
    this.url = url.replace(/\/+$/, '');
    this.#fetch = fetch;
    this.#timeoutMs = timeoutMs;
  }

  /** The reply as JSON, its shape unchecked. @throws UNREACHABLE TIMEOUT REPLY_TOO_LARGE REPLY_MALFORMED, or the service's code */
  async json(path: string, call: Call = {}): Promise<unknown> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal]);
    try {
      const response = await this.#fetch(`${this.url}${path}`, request(call, signal));
      if (!response.ok) throw await refusal(response);
      return parse(await readBytes(response, call.limitBytes ?? REPLY_BYTES));
    } catch (cause) {
      throw transportError(cause, call.signal, timeout);
    }
  }

  /**
   * Opens an event stream, or gives nothing when the service has none to offer. The timeout is for its first byte.
   * @throws UNREACHABLE TIMEOUT
   */
  async events(path: string, given?: AbortSignal): Promise<ReadableStream<Uint8Array> | undefined> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), this.#timeoutMs);
    const signal = given === undefined ? timeout.signal : AbortSignal.any([timeout.signal, given]);
    try {
      const response = await this.#fetch(`${this.url}${path}`, request({}, signal, 'text/event-stream'));
      const kind = response.headers.get('content-type') ?? '';
      if (response.ok && kind.startsWith('text/event-stream') && response.body !== null) return response.body;
      await response.body?.cancel();
      return undefined;
    } catch (cause) {
      throw transportError(cause, given, timeout.signal);
    } finally {
      clearTimeout(timer);
    }
  }
}

function request(
  { method = 'GET', body, waitSeconds }: Call,
  signal: AbortSignal,
  accept = 'application/json',
): RequestInit {
  return {
    method,
    headers: {
      accept,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(waitSeconds !== undefined && { prefer: `wait=${waitSeconds}` }),
    },
    redirect: 'error',
    credentials: 'omit',
    cache: 'no-store',
    referrerPolicy: 'no-referrer',
    signal,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
}

async function refusal(response: Response): Promise<ClientError> {
  const { status } = response;
  const said = await readBytes(response, ERROR_BYTES)
    .then(parse)
    .catch(() => undefined);
  const { code, message } = (typeof said === 'object' && said !== null ? said : {}) as Record<string, unknown>;
  if (typeof code !== 'string' || !ERROR_CODE.test(code))
    return new ClientError('UNREACHABLE', `the service answered ${status}`, { status });
  return new ClientError(code, typeof message === 'string' ? plain(message) : `status ${status}`, { status });
}

/** Text from outside, fit for a terminal. */
function plain(text: string): string {
  return text.slice(0, 512).replaceAll(/\p{C}/gu, ' ');
}

async function readBytes(response: Response, limitBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
  try {
    for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
      sizeBytes += read.value.length;
      if (sizeBytes > limitBytes) throw new ClientError('REPLY_TOO_LARGE', `the reply is over ${limitBytes} bytes`);
      pieces.push(read.value);
    }
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
  const bytes = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new ClientError('REPLY_MALFORMED', 'the reply is not JSON', { cause });
  }
}

function transportError(cause: unknown, given: AbortSignal | undefined, timeout: AbortSignal): unknown {
  if (cause instanceof ClientError) return cause;
  if (given?.aborted === true) return given.reason;
  if (timeout.aborted) return new ClientError('TIMEOUT', 'the service took too long', { cause });
  return new ClientError('UNREACHABLE', 'the service cannot be reached', { cause });
}

/** Whether the same call may succeed later: nobody answered, or the service was not ready. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false;
  if (error.status !== undefined) return error.status >= 500 || [404, 408, 409, 425, 429].includes(error.status);
  return error.code === 'UNREACHABLE' || error.code === 'TIMEOUT';
}

/** What does not end the watching of a request that is there: silence, a broken stream, an event that is none. */
export function mayPassWatching(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { status } = error as Partial<ClientError>;
  return status === undefined ? codeOf(error) !== 'REPLY_TOO_LARGE' : mayPass(error) && status !== 404;
}

/** @throws the reason of an aborted signal */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal?.reason);
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** Tries again while {@link mayPass}, each time after twice the wait. `attempts`: at most, or by the last error. */
export async function retried<T>(
  attempts: number | ((error: unknown) => number),
  waitMs: number,
  act: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act();
    } catch (error) {
      const most = typeof attempts === 'number' ? attempts : attempts(error);
      if (attempt >= most || !mayPass(error)) throw error;
      await pause(waitMs * 2 ** (attempt - 1), signal);
    }
  }
}

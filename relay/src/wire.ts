import { RelayError } from './errors.ts';

export interface PostOptions {
  readonly fetch?: typeof globalThis.fetch;
  readonly timeoutMs: number;
  /** Bytes of the longest answer. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

type PingOptions = Pick<PostOptions, 'fetch' | 'timeoutMs'>;

const MAX_ERROR_BYTES = 4096;
const REMOTE_CODE = /^[A-Z][A-Z0-9_]{1,63}$/;

/**
 * Posts JSON and reads JSON, both bounded.
 * @throws REMOTE_UNREACHABLE REMOTE_REFUSED (with the other side's code)
 */
export async function postJson(url: string, body: unknown, options: PostOptions): Promise<unknown> {
  const { fetch = globalThis.fetch, timeoutMs, maxBytes, signal } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    if (response.ok) return JSON.parse(await readText(response, maxBytes));
    const remoteCode = codeOf(await readText(response, MAX_ERROR_BYTES));
    throw new RelayError('REMOTE_REFUSED', `answered ${response.status} ${remoteCode}`, { remoteCode });
  } catch (cause) {
    if (cause instanceof RelayError) throw cause;
    throw new RelayError('REMOTE_UNREACHABLE', 'no usable answer', { cause });
  }
}

/**
 * Fetches what says nothing, and reads it to its end: only then can the connection be used again. Not by HEAD, after which
 * Node's fetch closes it.
 * @throws REMOTE_UNREACHABLE
 */
export async function ping(url: string, { fetch = globalThis.fetch, timeoutMs }: PingOptions): Promise<void> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    await readText(response, MAX_ERROR_BYTES);
  } catch (cause) {
    throw new RelayError('REMOTE_UNREACHABLE', 'no usable answer', { cause });
  }
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) throw new RelayError('REMOTE_UNREACHABLE', 'the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function codeOf(text: string): string {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === 'string' && REMOTE_CODE.test(code) ? code : 'REFUSED';
  } catch {
    return 'REFUSED';
  }
}

/** URL of a path below a base that may end in a slash. */
export function under(base: string, path: string): string {
  return `${base.endsWith('/') ? base.slice(0, -1) : base}${path}`;
}

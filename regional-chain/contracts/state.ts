import type { Context } from '@yilian/ledger/contract';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Values under a composite key's prefix, in key order. */
export async function* readAll<T>(ctx: Context, type: string, parts: readonly string[]): AsyncGenerator<T> {
  for await (const { value } of ctx.stub.getStateByPartialCompositeKey(type, [...parts])) {
    yield JSON.parse(utf8.decode(value)) as T;
  }
}

/**
 * A list that can be read from its middle. Composite keys cannot start a range, so its keys are paths
 * `<list>/<part>/..`; no part holds a slash.
 */
export function pathKey(list: string, ...parts: readonly string[]): string {
  return [list, ...parts].join('/');
}

/**
 * Entries of a list below `parts`, in key order, after the entry whose remaining path is `after` (empty: from the
 * first one on). Whoever stops early has read, and is checked against, no more than what came.
 */
export async function* readPaths<T>(
  ctx: Context,
  [list, ...parts]: readonly [string, ...string[]],
  after = '',
): AsyncGenerator<{ readonly position: string; readonly value: T }> {
  const prefix = pathKey(list, ...parts);
  const start = after === '' ? `${prefix}/` : `${prefix}/${after}/`;
  for await (const { key, value } of ctx.stub.getStateByRange(start, `${prefix}${AFTER_SLASH}`)) {
    yield { position: key.slice(prefix.length + 1), value: JSON.parse(utf8.decode(value)) as T };
  }
}

/** The character after the slash. */
const AFTER_SLASH = '0';

import { setTimeout as delay } from 'node:timers/promises';
import { TestbedError } from './errors.ts';

const PAUSE_MS = 40;

/**
 * Repeats `attempt` until it neither throws nor gives `undefined` or `false`, with a pause between two.
 * @throws LATE with what it threw last as the cause, after `patienceMs`
 */
export async function until<T>(
  what: string,
  patienceMs: number,
  attempt: () => Promise<T | undefined | false>,
  pauseMs = PAUSE_MS,
): Promise<T> {
  const end = Date.now() + patienceMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await attempt();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > end) throw new TestbedError('LATE', `not within ${patienceMs} ms: ${what}`, { cause });
    await delay(pauseMs);
  }
}

/** @throws LATE when it takes longer than `patienceMs` */
export async function within<T>(what: string, patienceMs: number, work: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  const late = delay(patienceMs, undefined, { signal: timeout.signal }).then(() => {
    throw new TestbedError('LATE', `not within ${patienceMs} ms: ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timeout.abort();
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { FabricError } from './errors.ts';

export interface UntilOptions {
  readonly withinMs: number;
  readonly pollMs?: number;
  /** What of that which `look` throws passes; the last of it is the cause when nothing is seen in time. Default: nothing. */
  readonly passes?: (error: unknown) => boolean;
  readonly signal?: AbortSignal | undefined;
}

const POLL_MS = 100;

/**
 * Looks again and again, and gives the first thing seen. What `look` throws and does not pass ends the looking.
 * @throws FabricError FABRIC_NOT_READY saying `otherwise` when nothing is seen in time
 */
export async function until<T>(
  otherwise: string,
  look: () => Promise<T | undefined | false>,
  { withinMs, pollMs = POLL_MS, passes = () => false, signal }: UntilOptions,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    let cause: unknown;
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
    } catch (error) {
      if (!passes(error)) throw error;
      cause = error;
    }
    if (Date.now() > deadline) throw new FabricError('FABRIC_NOT_READY', otherwise, { cause });
    await delay(pollMs, undefined, { signal });
  }
}

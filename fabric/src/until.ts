import { setTimeout as delay } from 'node:timers/promises';
import { FabricError } from './errors.ts';

export interface UntilOptions {
  readonly withinMs: number;
  readonly pollMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const POLL_MS = 100;

/**
 * Looks again and again, and gives the first thing seen. What `look` throws ends the looking.
 * @throws FabricError FABRIC_NOT_READY saying `otherwise` when nothing is seen in time
 */
export async function until<T>(
  otherwise: string,
  look: () => Promise<T | undefined | false>,
  { withinMs, pollMs = POLL_MS, signal }: UntilOptions,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > deadline) throw new FabricError('FABRIC_NOT_READY', otherwise);
    await delay(pollMs, undefined, { signal });
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { LedgerError } from '@yilian/ledger';
import { check, PASSING, type Violation } from './checker.ts';
import { END_MS } from './people.ts';
import type { World } from './world.ts';

const PAUSE_MS = 150;

/** Judges the world's ledgers once they are at rest: what time may mend has this long, a breach is told at once. */
export async function violationsAtRest(world: World, patienceMs = END_MS): Promise<readonly Violation[]> {
  const end = Date.now() + patienceMs;
  for (;;) {
    try {
      const violations = check(await world.evidence());
      const final = violations.some(({ rule }) => !PASSING.has(rule));
      if (violations.length === 0 || final || Date.now() > end) return violations;
    } catch (error) {
      if (!isPassing(error) || Date.now() > end) throw error;
    }
    await delay(PAUSE_MS);
  }
}

/** A chain that was started again is not connected to at once. */
function isPassing(error: unknown): boolean {
  return error instanceof LedgerError || (error instanceof Error && error.name === 'GatewayError');
}

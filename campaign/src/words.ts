import type { Outcome } from '@yilian/protocol';
import type { World } from './world.ts';

/** What both ledgers say of one request, in the order in which it was committed. */
export interface Words {
  /** Decisions of the home chain. */
  readonly decided: readonly string[];
  /** Last words on the asking chain. */
  readonly settled: readonly string[];
  readonly pending: boolean;
}

/** Reads what is committed of a request. */
export async function wordsAbout({ home, away }: World, requestId: string): Promise<Words> {
  const [there, here] = await Promise.all([home.history(), away.history()]);
  const decided = there
    .filter(({ valid, event }) => valid && event?.name === 'outcome' && event.payload.startsWith(requestId))
    .map(({ result }) => (JSON.parse(result) as Outcome).outcome);
  const writes = here.filter(({ valid }) => valid).flatMap((transaction) => transaction.writes);
  const settled = writes
    .filter(({ key }) => key.startsWith(`\u0000leg\u0000${requestId}\u0000`))
    .map(({ value }) => (JSON.parse(value ?? '{}') as { readonly outcome: string }).outcome);
  const pending = writes.findLast(({ key }) => key === `pending/${requestId}`);
  return { decided, settled, pending: pending !== undefined && pending.value !== null };
}

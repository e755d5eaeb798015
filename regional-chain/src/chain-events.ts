import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from '@yilian/ledger';
import { CHAINCODE } from './regional-chain.ts';

/** Where a follower of the chain stands: everything up to this transaction is done. */
export interface ChainPosition {
  readonly block: number;
  readonly transactionId: string;
}

export interface OutcomeEvent extends ChainPosition {
  readonly kind: 'outcome';
  readonly requestId: string;
  /** The page's number, when the transaction released a further page. */
  readonly page?: number;
}

export interface RevokedEvent extends ChainPosition {
  readonly kind: 'revoked';
  readonly grantId: string;
}

/** What a regional chain announces, by valid transactions, in the order of its blocks. */
export type ChainEvent = OutcomeEvent | RevokedEvent;

export interface FollowOptions {
  /** The last event that was dealt with; from the first block when left out. */
  readonly after?: ChainPosition | undefined;
  readonly signal: AbortSignal;
  /** Told why the stream broke; it is opened anew where it stopped. */
  readonly onBreak?: (error: unknown) => void;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;
const text = new TextDecoder();

/**
 * Every event of a regional chain, none twice and none left out: an event counts as dealt with when the next one is asked
 * for, and a broken stream goes on after the last such event. Ends when the signal does.
 */
export async function* followChain(
  connection: Connection,
  channel: string,
  { after, signal, onBreak }: FollowOptions,
): AsyncGenerator<ChainEvent, void, undefined> {
  let position = after;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const checkpoint = position && {
        getBlockNumber: () => BigInt((position as ChainPosition).block),
        getTransactionId: () => (position as ChainPosition).transactionId,
      };
      const events = await connection
        .network(channel)
        .getChaincodeEvents(CHAINCODE, checkpoint === undefined ? { startBlock: 0n } : { checkpoint });
      const close = (): void => events.close();
      signal.addEventListener('abort', close, { once: true });
      try {
        for await (const { blockNumber, transactionId, eventName, payload } of events) {
          const at = { block: Number(blockNumber), transactionId };
          const event = eventOf(eventName, text.decode(payload), at);
          if (event !== undefined) yield event;
          position = at;
          pauseMs = FIRST_PAUSE_MS;
        }
      } finally {
        signal.removeEventListener('abort', close);
        close();
      }
    } catch (error) {
      if (signal.aborted) return;
      onBreak?.(error);
    }
    await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
  }
}

function eventOf(name: string, id: string, at: ChainPosition): ChainEvent | undefined {
  if (name === 'outcome') {
    const [requestId = '', page] = id.split('/');
    return { kind: 'outcome', requestId, ...(page === undefined ? {} : { page: Number(page) }), ...at };
  }
  if (name === 'revoked') return { kind: 'revoked', grantId: id, ...at };
  return undefined;
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Clock } from './clock.ts';
import { codeOf } from './errors.ts';
import type { GrantBook } from './grant-book.ts';
import type { Grants } from './grants.ts';

export interface DutiesOptions {
  readonly grants: Grants;
  readonly book: GrantBook;
  readonly clock: Clock;
  readonly log: Logger;
}

const TICK_MS = 1_000;
const AT_ONCE = 16;
/** Revocations come as events and periods end by the clock: this finds keys that were rotated. */
const COMPARE_EVERY_MS = 3_600_000;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 60_000;

interface Attempt {
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly pauseMs: number;
}

/** What must reach the chain in the end, tried until it does: acknowledgements, revocations, destruction receipts. */
export class Duties {
  readonly #options: DutiesOptions;
  readonly #attempts = new Map<string, Attempt>();
  #wake: () => void = () => undefined;

  constructor(options: DutiesOptions) {
    this.#options = options;
  }

  /** Looks at a grant at once, without waiting for the next round. */
  poke(grantId: string): void {
    this.#attempts.delete(grantId);
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    let compareAt = Date.now() + COMPARE_EVERY_MS;
    while (!signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await this.#settleAll(signal);
      await this.#endEnded();
      if (Date.now() >= compareAt) {
        await this.compareAll(signal).catch((error: unknown) => this.#trouble('comparing', error));
        compareAt = Date.now() + COMPARE_EVERY_MS;
      }
      await Promise.race([promise, delay(TICK_MS, undefined, { signal, ref: false }).catch(() => undefined)]);
    }
  }

  /** Compares every held grant with the chain. @throws LedgerError */
  async compareAll(signal: AbortSignal): Promise<void> {
    const { grants, book } = this.#options;
    const held = book.held();
    for (let from = 0; from < held.length; from += AT_ONCE) {
      signal.throwIfAborted();
      await Promise.all(held.slice(from, from + AT_ONCE).map((grantId) => grants.compare(grantId)));
    }
  }

  async #settleAll(signal: AbortSignal): Promise<void> {
    const { grants, book } = this.#options;
    for (const { grantId } of book.unfinished()) {
      const attempt = this.#attempts.get(grantId);
      if (signal.aborted) return;
      if (attempt !== undefined && Date.now() < attempt.notBefore) continue;
      try {
        const next = await grants.settle(grantId);
        if (next === undefined) this.#attempts.delete(grantId);
        else this.#attempts.set(grantId, { notBefore: next, pauseMs: FIRST_PAUSE_MS });
      } catch (error) {
        const pauseMs = Math.min((attempt?.pauseMs ?? FIRST_PAUSE_MS / 2) * 2, MAX_PAUSE_MS);
        this.#attempts.set(grantId, { notBefore: Date.now() + pauseMs, pauseMs });
        this.#trouble('settling', error);
      }
    }
  }

  async #endEnded(): Promise<void> {
    const { grants, book, clock } = this.#options;
    try {
      for (const grantId of book.ended(clock.now())) await grants.compare(grantId);
    } catch (error) {
      this.#trouble('ending', error);
    }
  }

  #trouble(what: string, error: unknown): void {
    this.#options.log.warn({ what, code: codeOf(error) }, 'will be tried again');
  }
}

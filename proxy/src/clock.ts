import { ProxyError } from './errors.ts';

/** As far as an endorser lets a transaction's time be from its own clock. */
const SKEW_MS = 60_000;

/**
 * The proxy's own clock, which never decides on a time that is known to be over: it refuses to tell the time after it was
 * set back, or while it is behind what the chain has already dated.
 */
export class Clock {
  readonly #read: () => number;
  #highest = 0;

  constructor(read: () => number = Date.now) {
    this.#read = read;
  }

  /** A time the own view of the chain has dated, epoch milliseconds. */
  observe(chainTime: number): void {
    this.#highest = Math.max(this.#highest, chainTime);
  }

  /** What the clock says, right or wrong: for notes, never for a decision. */
  reading(): number {
    return this.#read();
  }

  /** Epoch milliseconds. @throws CLOCK_SKEW */
  now(): number {
    const at = this.#read();
    if (at < this.#highest - SKEW_MS) throw new ProxyError('CLOCK_SKEW', 'the own clock is behind');
    this.#highest = Math.max(this.#highest, at);
    return at;
  }
}

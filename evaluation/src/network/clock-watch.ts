import type { Mark } from '../results.ts';

const EVERY_MS = 1_000;
/** More than a disciplined clock is slewed in a second, 0.5 ms, and than two readings of it may differ. */
const JUMP_MS = 20;
const NEAR_MS = 1;

export interface Readings {
  /** Milliseconds that never go back. */
  readonly steady: () => number;
  /** Epoch milliseconds. */
  readonly wall: () => number;
}

const READINGS: Readings = { steady: () => performance.now(), wall: () => Date.now() };

/** Compares the wall clock with the steady one every second: requests are timed by one, certificates and grants by the other. */
export class ClockWatch implements Disposable {
  readonly #readings: Readings;
  readonly #timer: NodeJS.Timeout;
  readonly #jumpsMs: number[] = [];
  #offset: number;

  constructor(readings: Readings = READINGS) {
    this.#readings = readings;
    this.#offset = offsetOf(readings);
    this.#timer = setInterval(() => this.look(), EVERY_MS).unref();
  }

  look(): void {
    const offset = offsetOf(this.#readings);
    const jumpMs = offset - this.#offset;
    if (Math.abs(jumpMs) > JUMP_MS) this.#jumpsMs.push(jumpMs);
    this.#offset = offset;
  }

  /** What it has seen so far. */
  clockJumps(): Mark[] {
    this.look();
    if (this.#jumpsMs.length === 0) return [];
    const jumps = this.#jumpsMs.map((ms) => `${ms > 0 ? '+' : '−'}${Math.abs(Math.round(ms))} ms`).join(', ');
    return [{ weight: 'void', code: 'CLOCK_JUMP', detail: `the wall clock jumped: ${jumps}` }];
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Read again when something came between the two clocks. */
function offsetOf({ steady, wall }: Readings): number {
  for (;;) {
    const before = steady();
    const offset = wall() - before;
    if (steady() - before < NEAR_MS) return offset;
  }
}

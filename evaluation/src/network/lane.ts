import type { Clock } from './clock.ts';

/** Holds things until they are due and hands them on in the order they came, none while the last taker said to wait. */
export class Lane<T> {
  readonly #clock: Clock;
  readonly #take: (thing: T) => boolean;
  #held: { readonly thing: T; readonly due: number }[] = [];
  #isBlocked = false;
  #cancel: (() => void) | undefined;

  /** @param take whether it takes more; if not, {@link resume} says when */
  constructor(clock: Clock, take: (thing: T) => boolean) {
    this.#clock = clock;
    this.#take = take;
  }

  get size(): number {
    return this.#held.length;
  }

  /** @param due of `performance.now()`, not before that of the last one */
  put(thing: T, due: number): void {
    this.#held.push({ thing, due });
    this.#arm();
  }

  resume(): void {
    this.#isBlocked = false;
    this.#arm();
  }

  clear(): void {
    this.#held = [];
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    const [next] = this.#held;
    if (next === undefined || this.#isBlocked || this.#cancel !== undefined) return;
    this.#cancel = this.#clock.at(next.due, () => {
      this.#cancel = undefined;
      this.#handOn();
    });
  }

  #handOn(): void {
    const now = performance.now();
    for (let next = this.#held[0]; next !== undefined && next.due <= now && !this.#isBlocked; next = this.#held[0]) {
      this.#held.shift();
      if (!this.#take(next.thing)) this.#isBlocked = true;
    }
    this.#arm();
  }
}

import type { Random } from '@yilian/testbed/random';

/**
 * Ranks 1 … `count` with a chance proportional to rank^−s, in constant memory and time whatever the count: by inversion of the
 * integral and rejection (Hörmann and Derflinger, ACM TOMACS 6(3), 1996). `exponent` 0 is uniform.
 */
export class Zipf {
  readonly #count: number;
  readonly #exponent: number;
  readonly #lowest: number;
  readonly #highest: number;

  constructor(count: number, exponent: number) {
    this.#count = count;
    this.#exponent = exponent;
    this.#lowest = this.#integral(1.5) - 1;
    this.#highest = this.#integral(count + 0.5);
  }

  rank(random: Random): number {
    for (;;) {
      const area = this.#highest + random.next() * (this.#lowest - this.#highest);
      const rank = Math.min(this.#count, Math.max(1, Math.round(this.#inverse(area))));
      if (area >= this.#integral(rank + 0.5) - rank ** -this.#exponent) return rank;
    }
  }

  /** Of x^−s from 1 to `x`. */
  #integral(x: number): number {
    const rest = 1 - this.#exponent;
    return rest === 0 ? Math.log(x) : (x ** rest - 1) / rest;
  }

  #inverse(area: number): number {
    const rest = 1 - this.#exponent;
    return rest === 0 ? Math.exp(area) : (1 + area * rest) ** (1 / rest);
  }
}

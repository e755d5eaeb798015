import type { Kind } from '../results.ts';

/** Slack for sums of shares that are 1 but for rounding. */
const ROUNDING = 1e-12;

/** Both kinds' values in one ascending order; `intra[i]` is 1 where the value is an intra query's. */
export interface Ordered {
  readonly values: Float64Array;
  readonly intra: Uint8Array;
}

/**
 * The distribution of a value when a share of the queries, `intraShare` in 0..1, stays in its region: each kind's own
 * distribution, mixed by weight. So one measurement of each kind tells mean and quantiles at every share.
 */
export class Mixture {
  readonly #values: Float64Array;
  readonly #total: Readonly<Record<Kind, number>>;
  readonly #sum: Readonly<Record<Kind, number>>;
  /** How often each kind has a value up to this one. */
  readonly #upTo: Readonly<Record<Kind, Uint32Array>>;

  /** `weights[i]` says how often the value counts. */
  constructor({ values, intra }: Ordered, weights: Uint32Array) {
    const { length } = values;
    this.#values = values;
    this.#upTo = { intra: new Uint32Array(length), cross: new Uint32Array(length) };
    const { intra: intraUpTo, cross: crossUpTo } = this.#upTo;
    let [intraTotal, crossTotal, intraSum, crossSum] = [0, 0, 0, 0];
    // No branch: kinds alternate at random, and a branch foretold wrongly costs more than to add a nought.
    for (let i = 0; i < length; i++) {
      const weight = weights[i] as number;
      const intraWeight = weight * (intra[i] as number);
      const crossWeight = weight - intraWeight;
      const value = values[i] as number;
      intraTotal += intraWeight;
      crossTotal += crossWeight;
      intraSum += intraWeight * value;
      crossSum += crossWeight * value;
      intraUpTo[i] = intraTotal;
      crossUpTo[i] = crossTotal;
    }
    this.#total = { intra: intraTotal, cross: crossTotal };
    this.#sum = { intra: intraSum, cross: crossSum };
  }

  /** Whether anything of each kind was measured that a mixture at this share consists of. */
  has(intraShare: number): boolean {
    return (intraShare === 0 || this.#total.intra > 0) && (intraShare === 1 || this.#total.cross > 0);
  }

  /** Linear in the share. */
  mean(intraShare: number): number {
    return this.#part('intra', intraShare, this.#sum.intra) + this.#part('cross', 1 - intraShare, this.#sum.cross);
  }

  /** The least value that a share `q` of the mixture does not exceed: not linear in the share. */
  quantile(q: number, intraShare: number): number {
    let [below, reached] = [-1, this.#values.length];
    while (reached - below > 1) {
      const middle = (below + reached) >>> 1;
      const upTo =
        this.#part('intra', intraShare, this.#upTo.intra[middle] as number) +
        this.#part('cross', 1 - intraShare, this.#upTo.cross[middle] as number);
      if (upTo >= q - ROUNDING) reached = middle;
      else below = middle;
    }
    return this.#values[reached] ?? Number.NaN;
  }

  #part(kind: Kind, share: number, amount: number): number {
    return share === 0 ? 0 : (share * amount) / this.#total[kind];
  }
}

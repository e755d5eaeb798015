import type { Random } from '@yilian/testbed/random';
import { Mixture, type Ordered } from './mixture.ts';
import type { Observations } from './observations.ts';

/** The values' places in the common order. */
interface Ranks {
  readonly intra: Uint32Array;
  readonly cross: Uint32Array;
}

/**
 * The cluster bootstrap of Davison and Hinkley, "Bootstrap Methods and their Application" (1997), §3.8: what one run has
 * in common (the machine's mood, a chain's fill) moves all its requests together, so the unit of replication is the run.
 * Requests drawn singly would look like so many independent trials and give intervals that are far too narrow.
 */
export class Resamples {
  readonly #ordered: Ordered;
  readonly #cells: readonly (readonly Ranks[])[];
  readonly #hasBoth: boolean;

  constructor(observations: Observations) {
    const kinds = ['intra', 'cross'] as const;
    const parts = observations.flat().flatMap((run) => kinds.map((kind) => ({ kind, values: run[kind] })));
    const size = parts.reduce((sum, { values }) => sum + values.length, 0);
    const unsorted = new Float64Array(size);
    const intra = new Uint8Array(size);
    let filled = 0;
    for (const { kind, values } of parts) {
      unsorted.set(values, filled);
      if (kind === 'intra') intra.fill(1, filled, filled + values.length);
      filled += values.length;
    }
    const order = Uint32Array.from(unsorted.keys()).sort((a, b) => (unsorted[a] as number) - (unsorted[b] as number));
    const ranks = new Uint32Array(size);
    for (const [rank, at] of order.entries()) ranks[at] = rank;
    let taken = 0;
    const take = ({ length }: Float64Array) => {
      taken += length;
      return ranks.subarray(taken - length, taken);
    };
    this.#cells = observations.map((runs) => runs.map((run) => ({ intra: take(run.intra), cross: take(run.cross) })));
    this.#ordered = {
      values: Float64Array.from(order, (at) => unsorted[at] as number),
      intra: Uint8Array.from(order, (at) => intra[at] as number),
    };
    this.#hasBoth = this.whole().has(0.5);
  }

  /** What was measured, each value once. */
  whole(): Mixture {
    return new Mixture(this.#ordered, new Uint32Array(this.#ordered.values.length).fill(1));
  }

  /** As many runs of each cell with replacement, then of each as many requests of each kind. */
  draw(random: Random): Mixture {
    const mixture = this.#draw(random);
    // By chance no run with queries of one kind may be among them, which says nothing of that kind.
    return this.#hasBoth && !mixture.has(0.5) ? this.draw(random) : mixture;
  }

  #draw(random: Random): Mixture {
    const weights = new Uint32Array(this.#ordered.values.length);
    for (const runs of this.#cells) {
      for (let i = 0; i < runs.length; i++) {
        const { intra, cross } = runs[Math.floor(random.next() * runs.length)] as Ranks;
        scatter(intra, weights, random);
        scatter(cross, weights, random);
      }
    }
    return new Mixture(this.#ordered, weights);
  }
}

function scatter(ranks: Uint32Array, weights: Uint32Array, random: Random): void {
  const { length } = ranks;
  for (let i = 0; i < length; i++) {
    const rank = ranks[Math.floor(random.next() * length)] as number;
    weights[rank] = (weights[rank] as number) + 1;
  }
}

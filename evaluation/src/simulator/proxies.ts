import { quorum } from './event-queue.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';

/** What a proxy waits for before it makes its share. */
export interface Shares {
  /** Somebody asks all of them for it. */
  readonly ordered: () => void;
  /** One of them, by its position, has seen the commit. */
  readonly seen: (position: number) => void;
}

/** A region’s re-encryption proxies, one for each organisation; a threshold of them opens a record. */
export class Proxies {
  readonly #ground: Ground;
  readonly #machines: readonly Machine[];
  readonly #threshold: number;

  constructor(ground: Ground, place: number, count: number, threshold: number) {
    this.#ground = ground;
    this.#machines = Array.from({ length: count }, () => ground.machines.add('proxy', place));
    this.#threshold = threshold;
  }

  /** Calls `done` with the last share that is needed. */
  shares(done: () => void): Shares {
    const { costs, draw } = this.#ground;
    const enough = quorum(this.#threshold, done);
    const begin = this.#machines.map(({ work }) => quorum(2, () => work.serve(draw(costs.reencryptMs), enough)));
    return {
      ordered: () => {
        for (const proxy of begin) proxy();
      },
      seen: (position) => begin[position]?.(),
    };
  }
}

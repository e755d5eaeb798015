import { quorum } from './event-queue.ts';
import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';

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

  /** Calls `done` with the last share that is needed; the result lets one proxy begin, by its position, once it may. */
  shares(done: () => void): (position: number) => void {
    const { costs, draw } = this.#ground;
    const enough = quorum(this.#threshold, done);
    return (position) => this.#machines[position]?.work.serve(draw(costs.reencryptMs), enough);
  }
}

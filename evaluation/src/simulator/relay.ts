import type { Ground } from './ground.ts';
import type { Machine } from './machine.ts';

/** A region’s relay. */
export class Relay {
  readonly place: number;
  readonly #ground: Ground;
  readonly #machine: Machine;

  constructor(ground: Ground, place: number) {
    this.place = place;
    this.#ground = ground;
    this.#machine = ground.machines.add('relay', place);
  }

  /** Takes a doctor’s question in and looks the patient up in the region’s own view. */
  question(done: () => void): void {
    const { events, costs, draw } = this.#ground;
    events.after(costs.waitingMs, () => this.#machine.work.serve(draw(costs.questionMs), done));
  }

  /** Seals an envelope for another relay, which opens it. */
  tell(other: Relay, told: () => void): void {
    const { events, links, costs } = this.#ground;
    this.#envelope(() =>
      links.send(this.place, other.place, costs.envelopeBytes, () =>
        other.#envelope(() => events.after(costs.legWaitingMs, told)),
      ),
    );
  }

  #envelope(done: () => void): void {
    const { costs, draw } = this.#ground;
    this.#machine.work.serve(draw(costs.envelopeMs), done);
  }
}

import type { Chain } from './chain.ts';
import { quorum } from './event-queue.ts';
import type { Ground } from './ground.ts';
import type { Question } from './referrals.ts';
import { Region, type Regional } from './region.ts';
import type { Topology } from './topology.ts';

/** One Fabric network with a channel for each region: whoever asks elsewhere is a client of the home channel, and no relay is between. */
export class MultiChannel implements Topology {
  readonly #ground: Ground;
  readonly #regions: readonly Region[];

  constructor(ground: Ground, { regions, ...regional }: Regional & { readonly regions: number }) {
    this.#ground = ground;
    this.#regions = Array.from({ length: regions }, (_, place) => new Region(ground, place, regional));
  }

  get chains(): readonly Chain[] {
    return this.#regions.map(({ chain }) => chain);
  }

  query({ home, asking }: Question, sizeBytes: number, opened: () => void): void {
    const { links, costs } = this.#ground;
    const [there, here] = [this.#regions[home] as Region, this.#regions[asking] as Region];
    const whole = quorum(home === asking ? 2 : 3, opened);
    here.relay.question(() => {
      there.decide({
        from: asking,
        accepted: () => {
          if (home !== asking) links.fetch(asking, home, costs.envelopeBytes, sizeBytes, whole);
        },
        shared: () => links.send(home, asking, costs.answerBytes, whole),
        committed: whole,
      });
    });
  }

  publish(home: number): void {
    this.#regions[home]?.publish(() => undefined);
  }
}

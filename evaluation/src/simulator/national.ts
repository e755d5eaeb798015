import { type Call, Chain, type Cut } from './chain.ts';
import { quorum } from './event-queue.ts';
import type { Ground } from './ground.ts';
import { Proxies } from './proxies.ts';
import type { Question } from './referrals.ts';
import { type Regional, Turns } from './region.ts';
import { Relay } from './relay.ts';
import type { Topology } from './topology.ts';

export interface NationalOptions extends Regional {
  readonly regions: number;
  /** Places of the orderers, the leader’s first. */
  readonly nationalOrderers: readonly number[];
  /** Where peers are: in every region, or all in the capital, with as many organisations as one region has. */
  readonly peers: 'everywhere' | 'capital';
  readonly capital: number;
  /** An organisation of another region has to endorse too. */
  readonly remoteEndorsement: boolean;
  /**
   * Which region’s proxies re-encrypt: the patient’s, or the asking one’s, whose peers see the same commit. The latter favours this
   * chain and is what the analytic model assumes.
   */
  readonly proxiesAt: 'home' | 'asking';
  readonly cut: Cut;
}

/** One chain for all regions. */
export class National implements Topology {
  readonly #ground: Ground;
  readonly #options: NationalOptions;
  readonly #chain: Chain;
  readonly #relays: readonly Relay[];
  readonly #proxies: readonly Proxies[];
  /** By region: the peers that its clients call. */
  readonly #turns: readonly Turns[];

  constructor(ground: Ground, options: NationalOptions) {
    const { regions, organisations, endorsements, threshold, peers, capital, cut } = options;
    const places = Array.from({ length: regions }, (_, place) => place);
    const here = (place: number): number[] => Array.from({ length: organisations }, () => place);
    this.#ground = ground;
    this.#options = options;
    this.#chain = new Chain(ground, {
      orderers: options.nationalOrderers,
      peers: peers === 'everywhere' ? places.flatMap(here) : here(capital),
      cut,
    });
    this.#relays = places.map((place) => new Relay(ground, place));
    this.#proxies = places.map((place) => new Proxies(ground, place, organisations, threshold));
    const central = new Turns(0, organisations, endorsements);
    this.#turns = places.map((place) =>
      peers === 'everywhere' ? new Turns(place * organisations, organisations, endorsements) : central,
    );
  }

  get chains(): readonly Chain[] {
    return [this.#chain];
  }

  query({ home, asking }: Question, sizeBytes: number, opened: () => void): void {
    const { links, costs } = this.#ground;
    const whole = quorum(home === asking ? 2 : 3, opened);
    this.#relays[asking]?.question(() => {
      if (home !== asking)
        links.send(asking, home, costs.envelopeBytes, () => links.send(home, asking, sizeBytes, whole));
      this.#decide(asking, this.#options.proxiesAt === 'home' ? home : asking, whole);
    });
  }

  publish(home: number): void {
    this.#call(home, this.#ground.costs.publicationBytes, {});
  }

  /** Calls `whole` when the client knows of the commit, and when it has the shares. */
  #decide(asking: number, keys: number, whole: () => void): void {
    const { links, costs } = this.#ground;
    const proxies = this.#proxies[keys] as Proxies;
    const shares = proxies.shares(() => links.send(keys, asking, costs.answerBytes, whole));
    // Proxies without a peer at their place hear of the commit by its events.
    const heardMs = this.#options.peers === 'capital' ? links.oneWayMs(this.#options.capital, keys) : 0;
    const seen =
      heardMs === 0 ? shares : (position: number) => this.#ground.events.after(heardMs, () => shares(position));
    this.#call(asking, costs.decisionBytes, { watched: this.#turnsOf(keys).all, seen, committed: whole });
  }

  #call(from: number, sizeBytes: number, more: Pick<Call, 'watched' | 'seen' | 'committed'>): void {
    const endorsers = [...this.#turnsOf(from).next()];
    const { remoteEndorsement, regions } = this.#options;
    if (remoteEndorsement) endorsers.push(this.#turnsOf((from + 1) % regions).next()[0] as number);
    this.#chain.call({ from, endorsers, sizeBytes, ...more });
  }

  #turnsOf(region: number): Turns {
    return this.#turns[region] as Turns;
  }
}

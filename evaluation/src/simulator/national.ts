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
  /** Where peers, orderers, relays and proxies are: in every region, or all in the capital, with as many organisations as one region has. */
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
  /** By place: in every region, or in the capital. */
  readonly #relays: ReadonlyMap<number, Relay>;
  readonly #proxies: ReadonlyMap<number, Proxies>;
  /** By region: the peers that its clients call. */
  readonly #turns: readonly Turns[];

  constructor(ground: Ground, options: NationalOptions) {
    const { regions, organisations, endorsements, threshold, peers, capital, cut } = options;
    const places = Array.from({ length: regions }, (_, place) => place);
    const here = (place: number): number[] => Array.from({ length: organisations }, () => place);
    this.#ground = ground;
    this.#options = options;
    this.#chain = new Chain(ground, {
      orderers: peers === 'everywhere' ? options.nationalOrderers : options.nationalOrderers.map(() => capital),
      peers: peers === 'everywhere' ? places.flatMap(here) : here(capital),
      cut,
    });
    const desks = peers === 'everywhere' ? places : [capital];
    this.#relays = new Map(desks.map((place) => [place, new Relay(ground, place)]));
    this.#proxies = new Map(desks.map((place) => [place, new Proxies(ground, place, organisations, threshold)]));
    const central = new Turns(0, organisations, endorsements);
    this.#turns = places.map((place) =>
      peers === 'everywhere' ? new Turns(place * organisations, organisations, endorsements) : central,
    );
  }

  get chains(): readonly Chain[] {
    return [this.#chain];
  }

  query({ home, asking }: Question, sizeBytes: number, opened: () => void): void {
    const { events, links, costs } = this.#ground;
    const { peers, capital, proxiesAt } = this.#options;
    const desk = peers === 'everywhere' ? asking : capital;
    const keys = peers === 'everywhere' && proxiesAt === 'home' ? home : desk;
    const away = desk !== asking;
    const whole = quorum(home === desk ? 2 : 3, () => {
      if (away) links.send(desk, asking, sizeBytes + costs.answerBytes, opened);
      else opened();
    });
    const shares = (this.#proxies.get(keys) as Proxies).shares(() => links.send(keys, desk, costs.answerBytes, whole));
    const decide = (): void =>
      this.#call(desk, costs.decisionBytes, {
        watched: this.#turnsOf(keys).all,
        seen: shares.seen,
        accepted: () => {
          links.send(desk, keys, costs.envelopeBytes, shares.ordered);
          if (home !== desk) links.fetch(desk, home, costs.envelopeBytes, sizeBytes, whole);
        },
        // Whoever asks hears of the commit, and only then asks for the answer.
        committed: () => events.after(away ? 2 * links.oneWayMs(desk, asking) : 0, whole),
      });
    const ask = (): void => this.#relays.get(desk)?.question(decide);
    if (away) links.send(asking, desk, costs.envelopeBytes, ask);
    else ask();
  }

  publish(home: number): void {
    this.#call(home, this.#ground.costs.publicationBytes, {});
  }

  #call(from: number, sizeBytes: number, more: Pick<Call, 'watched' | 'seen' | 'accepted' | 'committed'>): void {
    const endorsers = [...this.#turnsOf(from).next()];
    const { remoteEndorsement, regions } = this.#options;
    if (remoteEndorsement) endorsers.push(this.#turnsOf((from + 1) % regions).next()[0] as number);
    this.#chain.call({ from, endorsers, sizeBytes, ...more });
  }

  #turnsOf(region: number): Turns {
    return this.#turns[region] as Turns;
  }
}

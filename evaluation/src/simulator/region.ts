import { type Call, Chain, type Cut } from './chain.ts';
import type { Ground } from './ground.ts';
import { Proxies } from './proxies.ts';
import { Relay } from './relay.ts';

/** What each region has. */
export interface Regional {
  /** Each has a peer and a proxy. */
  readonly organisations: number;
  /** That a region’s transaction needs. */
  readonly endorsements: number;
  /** Proxies that open a record. */
  readonly threshold: number;
  /** Of a region’s chain. */
  readonly orderers: number;
  readonly cut: Cut;
}

interface Decision {
  /** The client’s place. */
  readonly from: number;
  /** The client knows that the orderer has it. */
  readonly accepted?: () => void;
  readonly shared: () => void;
  /** The client knows of the commit. */
  readonly committed: () => void;
}

/** A region with a chain of its own, a relay and proxies. */
export class Region {
  readonly place: number;
  readonly relay: Relay;
  readonly chain: Chain;
  readonly #ground: Ground;
  readonly #proxies: Proxies;
  readonly #turns: Turns;

  constructor(ground: Ground, place: number, regional: Regional) {
    const here = (length: number): number[] => Array.from({ length }, () => place);
    this.place = place;
    this.relay = new Relay(ground, place);
    this.chain = new Chain(ground, {
      orderers: here(regional.orderers),
      peers: here(regional.organisations),
      cut: regional.cut,
    });
    this.#ground = ground;
    this.#proxies = new Proxies(ground, place, regional.organisations, regional.threshold);
    this.#turns = new Turns(0, regional.organisations, regional.endorsements);
  }

  /**
   * Commits a release that a client at `from` submits. `shared` is called here when enough proxies have made their shares, which each does
   * when it has been asked, as soon as the client knows that the orderer has the decision, and its own peer has the commit.
   */
  decide({ from, accepted, shared, committed }: Decision): void {
    const { links, costs } = this.#ground;
    const { ordered, seen } = this.#proxies.shares(shared);
    this.chain.call({
      from,
      endorsers: this.#turns.next(),
      sizeBytes: costs.decisionBytes,
      watched: this.#turns.all,
      seen,
      accepted: () => {
        links.send(from, this.place, costs.envelopeBytes, ordered);
        accepted?.();
      },
      committed,
    });
  }

  ask(accepted: (() => void) | undefined, committed: () => void): void {
    this.#call(this.#ground.costs.askBytes, { ...(accepted && { accepted }), committed });
  }

  /** Writes so many outcomes in one transaction; the proof of each is verified. */
  mirror(outcomes: number): void {
    this.#call(this.#ground.costs.mirrorBytes * outcomes, { weight: outcomes });
  }

  publish(committed: () => void): void {
    this.#call(this.#ground.costs.publicationBytes, { committed });
  }

  #call(sizeBytes: number, more: Pick<Call, 'weight' | 'accepted' | 'committed'>): void {
    this.chain.call({ from: this.place, endorsers: this.#turns.next(), sizeBytes, ...more });
  }
}

/** Peers of one place on a chain, which endorse in turn. */
export class Turns {
  readonly all: readonly number[];
  readonly #endorsements: number;
  #turn = 0;

  constructor(first: number, count: number, endorsements: number) {
    this.all = Array.from({ length: count }, (_, index) => first + index);
    this.#endorsements = endorsements;
  }

  next(): readonly number[] {
    const { length } = this.all;
    const turn = this.#turn++;
    return Array.from({ length: this.#endorsements }, (_, index) => this.all[(turn + index) % length] as number);
  }
}

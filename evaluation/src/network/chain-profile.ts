/**
 * How far a client is from the parts of a Fabric network, all in milliseconds, as its protocol crosses the distance: a client
 * speaks to the gateway of one peer, that peer to endorsers and to the orderer that leads, the orderers to each other, and
 * they to the client's peer again.
 */
export interface ChainProfile {
  /** Round trip between the client and its gateway peer. */
  readonly requestMs: number;
  /** Round trip from there to the peer that evaluates. */
  readonly evaluateMs: number;
  /** Round trip from there to the farthest peer that must endorse. */
  readonly endorseMs: number;
  /** One way from the gateway peer to the orderer that leads. */
  readonly submitMs: number;
  /** Round trip from the leader to the majority of orderers. */
  readonly orderMs: number;
  /** One way of a block from the leader to the client's peer. */
  readonly deliveryMs: number;
}

/** Everything in one place. */
export const HERE: ChainProfile = {
  requestMs: 0,
  evaluateMs: 0,
  endorseMs: 0,
  submitMs: 0,
  orderMs: 0,
  deliveryMs: 0,
};

export interface NationalOptions {
  /** Each with a peer of the chain and an orderer. */
  readonly places: readonly string[];
  /** Round trip between two places, 0 within one. */
  readonly rttMs: (from: string, to: string) => number;
  /** Where the client and its peer are. */
  readonly place: string;
  /** Where the orderer that leads is. */
  readonly leader: string;
  /** Whether an organisation of another place, the nearest, must endorse. */
  readonly endorseRemotely: boolean;
}

/**
 * One chain with a peer and an orderer everywhere (Raft). Over R equal distances d a commit takes, on average over the places,
 * k·d with k = (1 − 1/R) for submission and delivery, and 1 for the majority, and 1 more when a remote organisation endorses.
 */
export function nationalProfile(options: NationalOptions): ChainProfile {
  const { places, rttMs, place, leader, endorseRemotely } = options;
  const from = (here: string) =>
    places
      .filter((other) => other !== here)
      .map((other) => rttMs(here, other))
      .toSorted((a, b) => a - b);
  // The leader is one of the majority itself.
  const majority = Math.floor(places.length / 2) + 1;
  const oneWayMs = rttMs(place, leader) / 2;
  return {
    ...HERE,
    endorseMs: endorseRemotely ? (from(place)[0] ?? 0) : 0,
    submitMs: oneWayMs,
    orderMs: majority === 1 ? 0 : (from(leader)[majority - 2] ?? 0),
    deliveryMs: oneWayMs,
  };
}

/** A client of a chain whose peers and orderers are all in one place, this round trip away: each of its calls crosses it. */
export function thinProfile(rttMs: number): ChainProfile {
  return { ...HERE, requestMs: rttMs };
}

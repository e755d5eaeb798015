import type { Verdict } from './results.ts';

/**
 * The analytic model: what a query should take on each topology, from a handful of terms. Means only: every leg is waited
 * for alone, at its usual length, and load counts only where a scheme has every region work on every question. It needs nothing but itself, so that the report's what-if panel is the
 * same code in a browser.
 *
 * A round trip d is counted wherever the protocol waits for another place. Legs that run side by side take as long as
 * the longest of them.
 */
export interface Terms {
  readonly regions: number;
  /** d: round trip between two regions. */
  readonly rttMs: number;
  /** To endorse, order and validate within one region, without the wait for more transactions. */
  readonly commitMs: number;
  /** How long an orderer waits for more transactions: a lone one waits for all of it. */
  readonly cutMs: number;
  /** To read the index where it is. */
  readonly readMs: number;
  /** S: to carry a sealed record between regions, beyond the round trip. */
  readonly payloadMs: number;
  /** The proxies' re-encryption and the receiver's opening. */
  readonly reencryptMs: number;
  /** O: what two relays add to a cross query: to store it durably, pick it up, sign and verify. */
  readonly relayMs: number;
  /** Share of the queries that begin away from the capital: 1 − 1/R if it is one of the regions, 1 if it is a place apart. */
  readonly awayShare: number;
  /** Look-ups in the index for an intra query: 1 if every query is looked up, 0 if a region knows its own patients. */
  readonly intraLookups: number;
  /**
   * Of the fetches from a hospital or vault of another region, those that open a connection first, 0..1: a round trip more. Servers
   * close connections that nobody uses; relays keep theirs.
   */
  readonly coldShare: number;
  /**
   * Round trips from a national chain's commit to the shares of the patient's own proxies: ½, as they see the commit when the asking region
   * does; 0 if proxies of every region could make them.
   */
  readonly shareTrips: number;
  /** Processor time that a further region's part in a query takes. */
  readonly workMs: number;
  /** Queries a second at the processor that all regions share; 0 where each has its own. */
  readonly perSecond: number;
}

/** Assumed before anything was measured, milliseconds. */
export const ASSUMED: Terms = {
  regions: 4,
  rttMs: 30,
  commitMs: 16,
  cutMs: 30,
  readMs: 4,
  payloadMs: 8,
  reencryptMs: 8,
  relayMs: 12,
  awayShare: 1,
  intraLookups: 0,
  coldShare: 0,
  shareTrips: 0,
  workMs: 0,
  perSecond: 0,
};

interface Phase {
  readonly name: 'lookup' | 'relay' | 'travel' | 'commit' | 'queue' | 'fetch' | 'reencrypt';
  readonly ms: number;
}

/** Mean latencies and what they are made of, in the order in which it happens; what overlaps is told once. */
export interface Prediction {
  readonly intraMs: number;
  readonly crossMs: number;
  readonly intra: readonly Phase[];
  readonly cross: readonly Phase[];
}

type Phases = Readonly<Partial<Record<Phase['name'], number>>>;
type Formula = (terms: Terms) => { readonly intra: Phases; readonly cross: Phases };

/** C: one commit of a chain that lies within a region. */
const commit = ({ commitMs, cutMs }: Terms) => commitMs + cutMs;

/**
 * Round trips between regions in one commit of a chain whose orderers are spread over them: to the leader and back with
 * the block unless one is in the leader's region, and one to have a majority store it.
 */
const spreadLegs = ({ regions }: Terms) => 1 - 1 / regions + 1;

/** Way to the index in the capital and back, on average. */
const toCapital = ({ awayShare, rttMs }: Terms) => awayShare * rttMs;

/** What is left, on average, of fetching a sealed body from another region when something else has taken so long meanwhile. */
function fetchLeft({ rttMs, payloadMs, coldShare }: Terms, meanwhileMs: number): number {
  const left = (trips: number) => Math.max(0, trips * rttMs + payloadMs - meanwhileMs);
  return (1 - coldShare) * left(1) + coldShare * left(2);
}

/**
 * One chain for the nation, whatever a commit of it takes. The receipt is committed before the release, as everywhere;
 * the sealed body, which stays with its holder, is fetched meanwhile, and shares may come from where the patient is.
 */
function national(terms: Terms, lookup: number, committed: number, sharesMs: number): ReturnType<Formula> {
  const { reencryptMs: reencrypt } = terms;
  const fetch = Math.max(sharesMs, fetchLeft(terms, committed));
  return {
    intra: { lookup, commit: committed, reencrypt },
    cross: { lookup, commit: committed, fetch, reencrypt },
  };
}

/** A national chain with a peer in every region, whose commit takes so many round trips. */
function spread(terms: Terms, legs: number): ReturnType<Formula> {
  const { rttMs, readMs, shareTrips } = terms;
  return national(terms, readMs, commit(terms) + legs * rttMs, shareTrips * rttMs);
}

/** The federation, with so much more to reach its index. */
function federation(terms: Terms, indexMs: number): ReturnType<Formula> {
  const { rttMs: travel, readMs, payloadMs, reencryptMs: reencrypt, relayMs: relay, intraLookups } = terms;
  // Both regions commit side by side, and the home region reads and carries the sealed body meanwhile.
  const fetch = Math.max(0, payloadMs - commit(terms));
  return {
    intra: { lookup: readMs + intraLookups * indexMs, commit: commit(terms), reencrypt },
    cross: { lookup: readMs + indexMs, relay, travel, commit: commit(terms), fetch, reencrypt },
  };
}

/** Each scheme's formula. Their names are the ids of the schemes that are measured. */
const FORMULAS = {
  /** The holder decides alone: nothing is committed, nothing is relayed. */
  'no-chain': ({ rttMs, readMs, payloadMs, reencryptMs, coldShare }) => ({
    intra: { lookup: readMs, reencrypt: reencryptMs },
    cross: { lookup: readMs, travel: (1 + coldShare) * rttMs, fetch: payloadMs, reencrypt: reencryptMs },
  }),
  /** A peer in every region, whose own endorsement suffices: C + k·d with k = (1 − 1/R) + 1. */
  national: (terms) => spread(terms, spreadLegs(terms)),
  /** The same, with another region's endorsement: k is one more. */
  'national-remote': (terms) => spread(terms, spreadLegs(terms) + 1),
  /** All but doctors and vaults in the capital: a round trip to ask and hear of the commit, one for the answer. */
  'national-thin': (terms) => national(terms, terms.readMs + toCapital(terms), commit(terms) + toCapital(terms), 0),
  /** Both regions' commits side by side, the index in every region: X = O + read + d + C + re-encryption. */
  federation: (terms) => federation(terms, 0),
  /**
   * All other regions are asked at once and the right one answers: as fast where each has a processor of its own. Where they share one, the
   * right one waits for the others’ turns, and each query for what is left of the one before, at a light load ρ/2 of its work.
   */
  broadcast: (terms) => {
    const { regions, workMs, perSecond } = terms;
    const { intra, cross } = federation(terms, 0);
    const allMs = regions * workMs;
    const queue = perSecond === 0 ? 0 : (((perSecond / 1000) * allMs) / 2) * allMs;
    const turns = perSecond === 0 ? 0 : Math.max(0, regions - 2) * workMs;
    return { intra: { ...intra, queue }, cross: { ...cross, queue: queue + turns } };
  },
  /** A registry in the capital instead of the main chain. */
  'central-index': (terms) => federation(terms, toCapital(terms)),
  /**
   * One network with a channel a region; the requester uses the home channel from where they are. To endorse is one round
   * trip; the status is asked for with the submission, so the commit costs another one. Body and shares are asked for
   * once the far orderer has the decision, and so only while it waits for more transactions.
   */
  'multi-channel': (terms) => {
    const { rttMs, readMs, cutMs, reencryptMs: reencrypt } = terms;
    return {
      intra: { lookup: readMs, commit: commit(terms), reencrypt },
      cross: { lookup: readMs, commit: 2 * rttMs + commit(terms), fetch: fetchLeft(terms, cutMs), reencrypt },
    };
  },
  /**
   * Everything in sequence: look up, commit here, commit on the main chain, ask the home region, which commits, and only
   * then fetch: three commits and 3 + (1 − 1/R) + 1 round trips.
   */
  'federation-naive': (terms) => {
    const { rttMs, readMs, reencryptMs: reencrypt, relayMs: relay } = terms;
    return {
      intra: federation(terms, toCapital(terms)).intra,
      cross: {
        lookup: readMs + toCapital(terms),
        relay,
        travel: rttMs,
        commit: 3 * commit(terms) + spreadLegs(terms) * rttMs,
        fetch: fetchLeft(terms, 0),
        reencrypt,
      },
    };
  },
  /** The main chain is only read, in the capital; the regions commit one after the other and the answer carries the data. */
  'federation-sequential': (terms) => {
    const { rttMs: travel, readMs, payloadMs: fetch, reencryptMs: reencrypt, relayMs: relay } = terms;
    return {
      intra: federation(terms, toCapital(terms)).intra,
      cross: { lookup: readMs + toCapital(terms), relay, travel, commit: 2 * commit(terms), fetch, reencrypt },
    };
  },
  /** As the federation, but without a copy of the index in each region: it is read in the capital. */
  'federation-remote-index': (terms) => federation(terms, toCapital(terms)),
} as const satisfies Readonly<Record<string, Formula>>;

export type ModelledScheme = keyof typeof FORMULAS;

export const MODELLED_SCHEMES = Object.keys(FORMULAS) as readonly ModelledScheme[];

export function isModelled(scheme: string): scheme is ModelledScheme {
  return Object.hasOwn(FORMULAS, scheme);
}

export function predict(scheme: ModelledScheme, terms: Terms): Prediction {
  const { intra, cross } = FORMULAS[scheme](terms);
  const [intraPhases, crossPhases] = [listed(intra), listed(cross)];
  return { intraMs: total(intraPhases), crossMs: total(crossPhases), intra: intraPhases, cross: crossPhases };
}

function listed(phases: Phases): Phase[] {
  return (Object.keys(phases) as Phase['name'][]).map((name) => ({ name, ms: phases[name] ?? 0 }));
}

function total(phases: readonly Phase[]): number {
  return phases.reduce((sum, { ms }) => sum + ms, 0);
}

/** Mean latency when `intraPercent` of the queries (0..100) stay in their region. */
export function mixedMs({ intraMs, crossMs }: Pick<Prediction, 'intraMs' | 'crossMs'>, intraPercent: number): number {
  return crossMs + (intraPercent / 100) * (intraMs - crossMs);
}

/** Where ours is ahead in the mean; `percent` of queries that stay in their region, where they cross between the ends. */
export interface PredictedCrossover {
  readonly verdict: Verdict;
  readonly percent?: number;
}

/**
 * L(p) = p·intra + (1 − p)·cross is a line for each, so they cross once at most, at p* = dx / (dx + di) with dx what ours
 * takes more for a cross query and di what it saves on an intra one. A tie at one end is no lead for anyone; a tie at
 * both is `never`.
 */
export function predictedCrossover(
  ours: Pick<Prediction, 'intraMs' | 'crossMs'>,
  theirs: Pick<Prediction, 'intraMs' | 'crossMs'>,
): PredictedCrossover {
  const dx = ours.crossMs - theirs.crossMs;
  const di = theirs.intraMs - ours.intraMs;
  if (dx >= 0 && di <= 0) return { verdict: 'never' };
  if (dx <= 0 && di >= 0) return { verdict: 'always' };
  return { verdict: dx > 0 ? 'above' : 'below', percent: (100 * dx) / (dx + di) };
}

/**
 * How many times the queries of one national chain the federation's chains carry together: an intra query costs one
 * receipt, a cross query one in each of two regions, so R / (2 − p).
 */
export function capacityGain(regions: number, intraPercent: number): number {
  return regions / (2 - intraPercent / 100);
}

/**
 * Mean time at an M/M/1 server, milliseconds: 1 / (μ − λ), to be added to a latency without load. Infinite when more
 * arrives than can be served.
 */
export function queueMs(arrivalsPerSecond: number, servedPerSecond: number): number {
  return arrivalsPerSecond < servedPerSecond ? 1000 / (servedPerSecond - arrivalsPerSecond) : Number.POSITIVE_INFINITY;
}

import { type ChainProfile, HERE, nationalProfile, thinProfile } from '../network/index.ts';
import { BODIES } from './ways.ts';

const MAIN_CONTRACTS = new URL('./contracts/main.ts', import.meta.url).href;
const MAIN_WITHOUT_INDEX = new URL('./contracts/main-without-index.ts', import.meta.url).href;

/** A chain of records: whose it is, and what it looks like from each place. */
export interface ChainPlan {
  readonly name: string;
  /** Its organisations, each with a peer and those with a proxy too, by MSP id, with their places. */
  readonly members: ReadonlyMap<string, string>;
  readonly proxies: readonly string[];
  /** Who endorses, where it is not any two. */
  readonly endorsement?: string;
  readonly profileAt: (place: string) => ChainProfile;
  /** Whose gateways its entry names; without them, every body is found where it is. */
  readonly holdersAt?: string;
}

/** A relay of a chain, which may stand elsewhere than the chain's peers. */
export interface RelayPlan {
  readonly place: string;
  readonly chain: string;
}

/** Where a place's patients are, and who keeps their records. */
export interface HomePlan {
  readonly chain: string;
  readonly hospital: string;
  /** Whose proxies hold the fragments of their grants. */
  readonly proxies: readonly string[];
  /** The relay that their hospital and their devices use. */
  readonly relay: RelayPlan;
}

/** The same parts, put where a scheme has them. The first place is the capital. */
export interface Topology {
  readonly places: readonly string[];
  readonly chains: readonly ChainPlan[];
  readonly relays: readonly RelayPlan[];
  readonly mainProfileAt: (place: string) => ChainProfile;
  /** URL of the module that has them. */
  readonly mainContracts: string;
  readonly home: (place: string) => HomePlan;
  /** The relay that a doctor at a place puts a question about another's patients to, and their hospital there. */
  readonly door: (place: string, home: string) => { readonly relay: RelayPlan; readonly hospital: string };
  /** Homes are guessed: the first release counts, whatever the others say. */
  readonly firstRelease?: boolean;
}

/** What distinguishes an ablation from the federation. */
export interface Levers {
  /** A question leaves its region only when the own chain has committed it. */
  readonly sequential?: boolean;
  /** Before it leaves, the main chain commits a receipt of it. */
  readonly receiptOnMain?: boolean;
  /** The index is read at the capital. */
  readonly remoteIndex?: boolean;
  /** No body rides along with an answer. */
  readonly fetchedBodies?: boolean;
  /** Every call between places opens a connection of its own. */
  readonly coldConnections?: boolean;
}

/** Milliseconds between two places, and back. */
export interface Spread {
  readonly places: readonly string[];
  readonly rttMs: number;
}

/** Region names of the product: `region-a`, `region-b`, … */
export function placesOf(regions: number): string[] {
  return Array.from({ length: regions }, (_, index) => `region-${letterOf(index).toLowerCase()}`);
}

/** A chain in every region, one main chain that every region has a view of. */
export function federation(spread: Spread, { remoteIndex = false }: Levers): Topology {
  const { places } = spread;
  const far = farFrom(spread);
  const chains = places.map((place) => regionalPlan(place, spread));
  const relays = places.map((place) => ({ place, chain: place }));
  const relayAt = (place: string) => relayOf(relays, place, place);
  return {
    places,
    chains,
    relays,
    mainProfileAt: (place) => ({
      ...nationalAt(place, spread, true),
      evaluateMs: remoteIndex ? far(place) : 0,
    }),
    mainContracts: MAIN_CONTRACTS,
    home: (place) => homeOf(place, place, proxiesAt(place), relayAt(place)),
    door: (place) => ({ relay: relayAt(place), hospital: organisationsOf(place)[2] }),
  };
}

/** As {@link federation}, but the index names every region as a home of everybody. */
export function broadcast(spread: Spread): Topology {
  return { ...federation(spread, {}), mainContracts: MAIN_WITHOUT_INDEX, firstRelease: true };
}

/**
 * One chain with all organisations, its peers at every place, its orderers spread with their leader at the capital.
 * `remoteEndorser`: organisations of two places endorse, not two of any.
 */
export function national(spread: Spread, { remoteEndorser }: { readonly remoteEndorser: boolean }): Topology {
  const { places } = spread;
  const members = new Map(places.flatMap((place) => organisationsOf(place).map((mspId) => [mspId, place] as const)));
  const eachPlace = places.map((place) => {
    const peers = organisationsOf(place).map((mspId) => `'${mspId}.peer'`);
    return `OR(${peers.join(', ')})`;
  });
  const plan: ChainPlan = {
    name: NATION,
    members,
    proxies: [...members.keys()],
    ...(remoteEndorser && { endorsement: `OutOf(2, ${eachPlace.join(', ')})` }),
    profileAt: (place) => nationalAt(place, spread, remoteEndorser),
  };
  const relays = places.map((place) => ({ place, chain: NATION }));
  return {
    ...oneChain(spread, plan, relays),
    home: (place) => homeOf(place, NATION, proxiesAt(place), relayOf(relays, place, NATION)),
    door: (place) => ({ relay: relayOf(relays, place, NATION), hospital: organisationsOf(place)[2] }),
  };
}

/** One chain whose peers, orderers, relay and proxies are all at the capital; hospitals and their vaults are not. */
export function nationalThin(spread: Spread): Topology {
  const { places } = spread;
  const [capital = ''] = places;
  const far = farFrom(spread);
  const members = new Map(places.flatMap((place) => organisationsOf(place).map((mspId) => [mspId, capital] as const)));
  const plan: ChainPlan = {
    name: NATION,
    members,
    proxies: proxiesAt(capital),
    profileAt: (place) => thinProfile(far(place)),
  };
  const relay = { place: capital, chain: NATION };
  return {
    ...oneChain(spread, plan, [relay]),
    home: (place) => homeOf(place, NATION, proxiesAt(capital), relay),
    door: (place) => ({ relay, hospital: organisationsOf(place)[2] }),
  };
}

/** A channel for each region, all in one network: whoever asks uses the home's channel, with a relay of it at their own place. */
export function multiChannel(spread: Spread): Topology {
  const { places } = spread;
  const relays = places.flatMap((chain) => places.map((place) => ({ place, chain })));
  return {
    ...federation(spread, {}),
    relays,
    home: (place) => homeOf(place, place, proxiesAt(place), relayOf(relays, place, place)),
    door: (place, home) => ({ relay: relayOf(relays, place, home), hospital: organisationsOf(home)[2] }),
  };
}

const NATION = 'nation';

function oneChain({ places }: Spread, plan: ChainPlan, relays: readonly RelayPlan[]) {
  // What is left on the main chain is the registry of regions and patients, on every place's own peer.
  return { places, chains: [plan], relays, mainProfileAt: () => HERE, mainContracts: MAIN_CONTRACTS };
}

function regionalPlan(place: string, { rttMs }: Spread): ChainPlan {
  const members = organisationsOf(place);
  return {
    name: place,
    members: new Map(members.map((mspId) => [mspId, place])),
    proxies: members,
    profileAt: (from) =>
      from === place ? HERE : { ...HERE, endorseMs: rttMs, submitMs: rttMs / 2, deliveryMs: rttMs / 2 },
    holdersAt: place,
  };
}

function nationalAt(place: string, { places, rttMs }: Spread, endorseRemotely: boolean): ChainProfile {
  const [leader = ''] = places;
  return nationalProfile({
    places,
    rttMs: (from, to) => (from === to ? 0 : rttMs),
    place,
    leader,
    endorseRemotely,
  });
}

function homeOf(place: string, chain: string, proxies: readonly string[], relay: RelayPlan): HomePlan {
  return { chain, hospital: organisationsOf(place)[1], proxies, relay };
}

function relayOf(relays: readonly RelayPlan[], place: string, chain: string): RelayPlan {
  const found = relays.find((relay) => relay.place === place && relay.chain === chain);
  if (found === undefined) throw new TypeError(`no relay of ${chain} at ${place}`);
  return found;
}

function farFrom({ places: [capital], rttMs }: Spread): (place: string) => number {
  return (place) => (place === capital ? 0 : rttMs);
}

/** A place's commission, which runs its relay, and two hospitals: one keeps records, at the other doctors ask. */
export function organisationsOf(place: string): readonly [string, string, string] {
  const letter = place.slice(-1).toUpperCase();
  return [`Commission${letter}`, `Hospital${letter}1`, `Hospital${letter}2`];
}

function proxiesAt(place: string): readonly string[] {
  return organisationsOf(place);
}

function letterOf(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}

/** Who runs a relay: the place's commission, or the chain's own where the place has none on this chain. */
export function operatorOf({ place }: RelayPlan, { members }: ChainPlan): string {
  const [own] = organisationsOf(place);
  const [first = ''] = members.keys();
  return members.has(own) ? own : first;
}

/** Where the bodies of a chain's records are to be had, by what its entry names. */
export function holdersOf({ holdersAt }: ChainPlan, gateways: ReadonlyMap<string, string>): string[] {
  return [(holdersAt === undefined ? undefined : gateways.get(holdersAt)) ?? BODIES];
}

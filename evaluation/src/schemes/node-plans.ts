import { MAIN, Network } from '@yilian/testbed/network';
import type { NodePlan } from './chain-node.ts';
import { type ChainPlan, operatorOf, type Topology } from './topology.ts';

export const AUTHORITIES = ['Authority1', 'Authority2', 'Authority3', 'Authority4'] as const;
/** Of the authorities: more than two thirds. */
export const MAJORITY = 3;
/** Of a chain's organisations. */
export const QUORUM = 2;

const REGIONAL_CONTRACTS = new URL('./contracts/regional.ts', import.meta.url).href;

/** Of the main chain, whose authorities outvote a liar, with a peer of one at every place: its view there. */
export function mainNodePlan({ places, mainContracts }: Topology, cutMs: number): NodePlan {
  const seats = [
    ...AUTHORITIES.map((mspId, index) => [mspId, places[index % places.length] ?? ''] as const),
    ...places.map((place) => [authorityAt(places, place), place] as const),
  ];
  return {
    network: new Network(MAIN, AUTHORITIES, MAJORITY),
    contracts: mainContracts,
    cutMs,
    peers: placesByOrganisation(seats),
    orderers: AUTHORITIES,
    byzantine: true,
  };
}

/** The authority whose peer a place reads the main chain at. */
export function authorityAt(places: readonly string[], place: string): string {
  return AUTHORITIES[places.indexOf(place) % AUTHORITIES.length] ?? '';
}

/** Of a chain of records: a peer of every organisation at its place, one wherever a relay reads it, an orderer at every place. */
export function nodePlanOf(chain: ChainPlan, { relays }: Topology, cutMs: number): NodePlan {
  const { name, members, endorsement } = chain;
  const own = relays.filter((relay) => relay.chain === name);
  const first = new Map([...members].toReversed().map(([mspId, place]) => [place, mspId]));
  return {
    network: new Network(name, [...members.keys()], QUORUM, endorsement),
    contracts: REGIONAL_CONTRACTS,
    cutMs,
    peers: placesByOrganisation([...members, ...own.map((relay) => [operatorOf(relay, chain), relay.place] as const)]),
    orderers: [...new Set(members.values())].map((place) => first.get(place) ?? ''),
    byzantine: false,
  };
}

function placesByOrganisation(seats: readonly (readonly [string, string])[]): Map<string, readonly string[]> {
  const byOrganisation = Map.groupBy(seats, ([mspId]) => mspId);
  return new Map([...byOrganisation].map(([mspId, own]) => [mspId, [...new Set(own.map(([, place]) => place))]]));
}

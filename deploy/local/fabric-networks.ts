import type { Consent } from '@yilian/fabric';
import { type ContractVersions, contractsOf, FIRST_VERSION, servedVersions } from './contract-versions.ts';
import { commission, type Description, MAIN } from './description.ts';
import { DeployError } from './errors.ts';

/** SmartBFT outvotes one liar of four; with fewer authorities there is nothing to outvote. */
export const BFT_ORDERERS = 4;

/** The name of where an organisation serves a version of a network's contracts. */
export function contractPort(network: string, mspId: string, version: string): string {
  return `${network}/contracts/${mspId}${version === FIRST_VERSION ? '' : `/${version}`}`;
}

/** As a person reads it. */
export function consentLine({ needed, of }: Consent): string {
  return `  needs ${needed} of ${of.join(', ')}`;
}

/** @throws DeployError NAME_UNKNOWN */
export function requireNetwork(description: Description, name: string): void {
  const names = networksOf(description).map((network) => network.name);
  if (!names.includes(name))
    throw new DeployError('NAME_UNKNOWN', `there is no network ${name}; there are ${names.join(', ')}`);
}

/** A Fabric network of a federation; organisations by their MSP ids. */
export interface DescribedNetwork {
  readonly name: string;
  readonly members: readonly string[];
  /** Those with a second peer. */
  readonly morePeers: readonly string[];
  /** Organisations of a region that take the blocks too. */
  readonly readers: readonly { readonly region: string; readonly mspId: string }[];
  readonly orderers: readonly string[];
}

const PEER_PORTS = ['peer', 'peer-chaincode', 'peer-operations'] as const;
const FIRST_PEER = 'peer0';
const SECOND_PEER = 'peer1';

/** The names of a member's peers. */
export function peersOf({ morePeers }: Pick<DescribedNetwork, 'morePeers'>, mspId: string): readonly string[] {
  return morePeers.includes(mspId) ? [FIRST_PEER, SECOND_PEER] : [FIRST_PEER];
}

/** The name of where a peer listens. */
export function peerPort(what: (typeof PEER_PORTS)[number], network: string, mspId: string, peer: string): string {
  return `${network}/${what}/${mspId}${peer === FIRST_PEER ? '' : `/${peer}`}`;
}

/** The name of a member's orderer. */
export function ordererName(mspId: string): string {
  return `orderer.${mspId}`;
}

/** The names of everything that listens in Fabric networks. */
export function fabricPorts(description: Description, contracts: ContractVersions): string[] {
  const portsOf = (network: string, mspId: string, peer: string) =>
    PEER_PORTS.map((what) => peerPort(what, network, mspId, peer));
  return networksOf(description).flatMap(({ name, members, morePeers, readers, orderers }) => [
    ...orderers.flatMap((mspId) =>
      ['orderer', 'orderer-admin', 'orderer-operations'].map((what) => `${name}/${what}/${mspId}`),
    ),
    ...members.flatMap((mspId) => portsOf(name, mspId, FIRST_PEER)),
    ...morePeers.flatMap((mspId) => portsOf(name, mspId, SECOND_PEER)),
    ...servedVersions(contractsOf(contracts, name)).flatMap((version) =>
      [...members, ...readers.map(({ mspId }) => mspId)].map((mspId) => contractPort(name, mspId, version)),
    ),
  ]);
}

/**
 * The main chain is ordered by authorities, a region's chain by its own organisations. A region reads the main chain at its
 * commission's own peer, which is on both and on the main chain has no voice.
 */
export function networksOf(description: Description): readonly DescribedNetwork[] {
  const { authorities, regions, orderers } = description;
  const members = authorities.map(({ mspId }) => mspId);
  return [
    {
      name: MAIN,
      members,
      morePeers: [],
      readers: regions.map((region) => ({ region: region.region, mspId: commission(region).mspId })),
      orderers: orderers ?? (members.length >= BFT_ORDERERS ? members : members.slice(0, 1)),
    },
    ...regions.map((region) => ({
      name: region.region,
      members: region.organisations.map(({ mspId }) => mspId),
      morePeers: region.organisations.filter(({ peers = 1 }) => peers > 1).map(({ mspId }) => mspId),
      readers: [],
      orderers: region.orderers ?? [commission(region).mspId],
    })),
  ];
}

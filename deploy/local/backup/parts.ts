import { join } from 'node:path';
import { MAIN, proxyHosts } from '../description.ts';
import { networksOf, ordererName, peerPort, peersOf } from '../fabric-networks.ts';
import type { Layout } from '../layout.ts';

/**
 * Below a backup: private keys (to be kept apart), what processes keep, and sealed bodies. The first two are laid out as
 * the state is.
 */
export const SECRET = 'secret';
export const KEPT = 'kept';
export const BODIES = 'bodies';

/** A process that is ended while what it keeps is copied. */
export interface Node {
  readonly process: string;
  readonly network: string;
  /** Relative to the state. */
  readonly folder: string;
  /** Where it tells the height of its chains to Prometheus, as ports are named. */
  readonly operations?: string;
  /** The channels whose blocks it has. */
  readonly channels: readonly string[];
}

/** Nodes in the order in which they are copied. */
export interface Nodes {
  /** One after the other, while everything else goes on. */
  readonly peers: readonly Node[];
  /**
   * What orders: all of them are ended before any is copied, and copied before any is started again. So no chain knows of
   * what another has forgotten, and no orderer of what the others have.
   */
  readonly ordering: readonly Node[];
}

export function nodesOf({ description, engines }: Layout): Nodes {
  const networks = networksOf(description);
  if (engines.engine === 'embedded')
    return {
      peers: [],
      ordering: networks.map(({ name }) => ({
        process: `${name}/chain`,
        network: name,
        folder: join(name, 'chain'),
        channels: [name],
      })),
    };
  const readers = networks.find(({ name }) => name === MAIN)?.readers ?? [];
  const peer = (network: string, mspId: string, name: string): Node => ({
    process: `${network}/peer/${mspId}/${name}`,
    network,
    folder: join(network, 'fabric', 'organisations', mspId, 'peers', name, 'data'),
    operations: peerPort('peer-operations', network, mspId, name),
    channels: [
      network,
      ...(readers.some((reader) => reader.region === network && reader.mspId === mspId) ? [MAIN] : []),
    ],
  });
  return {
    peers: networks.flatMap((network) =>
      network.members.flatMap((mspId) => peersOf(network, mspId).map((own) => peer(network.name, mspId, own))),
    ),
    ordering: networks.flatMap(({ name, orderers }) =>
      orderers.map((mspId) => ({
        process: `${name}/orderer/${ordererName(mspId)}`,
        network: name,
        folder: join(name, 'fabric', 'orderers', ordererName(mspId), 'data'),
        channels: [name],
      })),
    ),
  };
}

const FOUNDED = [
  'description.json',
  'engines.json',
  'contracts.json',
  'ports.json',
  'genesis.json',
  'people.json',
  'swarm-secret',
  'pki',
  'keystores',
];

/** What says who takes part and where, and identities with their keys; relative to the state. */
export function identitiesOf({ description }: Layout): readonly string[] {
  return [
    ...FOUNDED,
    ...networksOf(description).map(({ name }) => join(name, 'fabric')),
    ...description.regions.flatMap(({ region }) => ['operator-token', 'pins'].map((name) => join(region, name))),
  ];
}

/** What nodes of Fabric keep is copied elsewhere; what every start makes, and what is being written, is not copied. */
export function isNotIdentity(path: string): boolean {
  return (
    /^(organisations\/[^/]+\/peers|orderers)\/[^/]+\/(data|builder)$/.test(path) ||
    /\.(lock|lock-journal|new)$/.test(path)
  );
}

/** The folders of proxies, relative to the state. */
export function proxyFolders({ description }: Layout): readonly { readonly region: string; readonly folder: string }[] {
  return description.regions.flatMap((region) =>
    proxyHosts(region).map(({ mspId }) => ({
      region: region.region,
      folder: join(region.region, 'proxy', mspId),
    })),
  );
}

import { commission, type Description, MAIN } from './description.ts';

/** SmartBFT outvotes one liar of four; with fewer authorities there is nothing to outvote. */
export const BFT_ORDERERS = 4;

/** A Fabric network of a federation; organisations by their MSP ids. */
export interface DescribedNetwork {
  readonly name: string;
  readonly members: readonly string[];
  /** Organisations of a region that take the blocks too. */
  readonly readers: readonly { readonly region: string; readonly mspId: string }[];
  readonly orderers: readonly string[];
}

/** The names of everything that listens in Fabric networks. */
export function fabricPorts(description: Description): string[] {
  return networksOf(description).flatMap(({ name, members, readers, orderers }) => [
    ...orderers.flatMap((mspId) =>
      ['orderer', 'orderer-admin', 'orderer-operations'].map((what) => `${name}/${what}/${mspId}`),
    ),
    ...members.flatMap((mspId) =>
      ['peer', 'peer-chaincode', 'peer-operations', 'contracts'].map((what) => `${name}/${what}/${mspId}`),
    ),
    ...readers.map(({ mspId }) => `${name}/contracts/${mspId}`),
  ]);
}

/**
 * The main chain is ordered by its authorities, a region's chain by its commission. A region reads the main chain at its
 * commission's own peer, which is on both and on the main chain has no voice.
 */
export function networksOf(description: Description): readonly DescribedNetwork[] {
  const { authorities, regions } = description;
  const members = authorities.map(({ mspId }) => mspId);
  return [
    {
      name: MAIN,
      members,
      readers: regions.map((region) => ({ region: region.region, mspId: commission(region).mspId })),
      orderers: members.length >= BFT_ORDERERS ? members : members.slice(0, 1),
    },
    ...regions.map((region) => ({
      name: region.region,
      members: region.organisations.map(({ mspId }) => mspId),
      readers: [],
      orderers: [commission(region).mspId],
    })),
  ];
}

import { commission, type Description, MAIN } from './description.ts';

/** SmartBFT outvotes one liar of four; with fewer authorities there is nothing to outvote. */
export const BFT_ORDERERS = 4;

/** The names of everything that listens in Fabric networks. */
export function fabricPorts(description: Description): string[] {
  return networksOf(description).flatMap(({ name, members, orderers }) => [
    ...orderers.flatMap((mspId) =>
      ['orderer', 'orderer-admin', 'orderer-operations'].map((what) => `${name}/${what}/${mspId}`),
    ),
    ...members.flatMap((mspId) =>
      ['peer', 'peer-chaincode', 'peer-operations', 'contracts'].map((what) => `${name}/${what}/${mspId}`),
    ),
  ]);
}

/** The main chain is ordered by its authorities, a region's chain by its commission. */
export function networksOf(description: Description) {
  const { authorities, regions } = description;
  const members = authorities.map(({ mspId }) => mspId);
  return [
    { name: MAIN, members, orderers: members.length >= BFT_ORDERERS ? members : members.slice(0, 1) },
    ...regions.map((region) => ({
      name: region.region,
      members: region.organisations.map(({ mspId }) => mspId),
      orderers: [commission(region).mspId],
    })),
  ];
}

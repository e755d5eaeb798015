import { commission, type Description, MAIN, proxyHosts } from './description.ts';

/** A service that says whether it is ready, and tells its figures to Prometheus. */
export interface ServicePlace {
  readonly kind: 'attester' | 'relay' | 'proxy';
  /** As processes and ports are named. */
  readonly name: string;
  readonly network: string;
  readonly organisation: string;
}

/** Every attester, relay and proxy of a federation. */
export function services({ authorities, regions }: Description): readonly ServicePlace[] {
  return [
    ...authorities.map(({ mspId }) => ({
      kind: 'attester' as const,
      name: `main/attester/${mspId}`,
      network: MAIN,
      organisation: mspId,
    })),
    ...regions.flatMap((region) => [
      {
        kind: 'relay' as const,
        name: `${region.region}/relay`,
        network: region.region,
        organisation: commission(region).mspId,
      },
      ...proxyHosts(region).map(({ mspId }) => ({
        kind: 'proxy' as const,
        name: `${region.region}/proxy/${mspId}`,
        network: region.region,
        organisation: mspId,
      })),
    ]),
  ];
}

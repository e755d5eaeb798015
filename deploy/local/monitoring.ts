import { fileURLToPath } from 'node:url';
import { commission, MAIN, proxyHosts } from './description.ts';
import { networksOf } from './fabric-networks.ts';
import type { Layout } from './layout.ts';

/** Alarms about what {@link prometheus} collects. */
export const ALERTS = fileURLToPath(new URL('../monitoring/alerts.yml', import.meta.url));

interface Target {
  readonly job: string;
  readonly name: string;
  readonly network: string;
  readonly organisation: string;
}

/** Configuration of Prometheus for everything of a federation that tells its figures: YAML, spelled as JSON. */
export function prometheus(layout: Layout): string {
  const jobs = Map.groupBy(targets(layout), ({ job }) => job);
  return JSON.stringify(
    {
      global: { scrape_interval: '15s', evaluation_interval: '15s' },
      rule_files: [ALERTS],
      scrape_configs: [...jobs].map(([job, scraped]) => ({
        job_name: job,
        static_configs: scraped.map(({ name, network, organisation }) => ({
          targets: [layout.address(name)],
          labels: { network, organisation },
        })),
      })),
    },
    null,
    2,
  );
}

function targets({ description, engines }: Layout): Target[] {
  const { authorities, regions } = description;
  const fabric = engines.engine === 'fabric' ? networksOf(description) : [];
  return [
    ...authorities.map(({ mspId }) => ({
      job: 'attester',
      name: `main/attester/${mspId}`,
      network: MAIN,
      organisation: mspId,
    })),
    ...regions.flatMap((region) => [
      {
        job: 'relay',
        name: `${region.region}/relay`,
        network: region.region,
        organisation: commission(region).mspId,
      },
      ...proxyHosts(region).map(({ mspId }) => ({
        job: 'proxy',
        name: `${region.region}/proxy/${mspId}`,
        network: region.region,
        organisation: mspId,
      })),
    ]),
    ...fabric.flatMap(({ name: network, members, orderers }) => [
      ...orderers.map((mspId) => ({
        job: 'orderer',
        name: `${network}/orderer-operations/${mspId}`,
        network,
        organisation: mspId,
      })),
      ...members.map((mspId) => ({
        job: 'peer',
        name: `${network}/peer-operations/${mspId}`,
        network,
        organisation: mspId,
      })),
    ]),
  ];
}

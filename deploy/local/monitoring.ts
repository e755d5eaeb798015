import { fileURLToPath } from 'node:url';
import { hospitals } from './description.ts';
import { networksOf } from './fabric-networks.ts';
import type { Layout } from './layout.ts';
import { type ServicePlace, services } from './services.ts';

/** Alarms about what {@link prometheus} collects. */
export const ALERTS = fileURLToPath(new URL('../monitoring/alerts.yml', import.meta.url));

/** Where a job's figures are, unless it is `/metrics`. */
const PATHS: Readonly<Record<string, string>> = { kubo: '/debug/metrics/prometheus' };

interface Target extends Omit<ServicePlace, 'kind'> {
  readonly job: string;
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
        ...(PATHS[job] !== undefined && { metrics_path: PATHS[job] }),
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
  const fabric = engines.engine === 'fabric' ? networksOf(description) : [];
  const kubos = engines.vault === 'kubo' ? description.regions : [];
  return [
    ...services(description).map(({ kind, ...place }) => ({ job: kind, ...place })),
    ...fabric.flatMap(({ name: network, members, orderers }) => [
      ...orderers.map((mspId) => nodeOf('orderer', network, mspId)),
      ...members.map((mspId) => nodeOf('peer', network, mspId)),
    ]),
    ...kubos.flatMap((region) =>
      hospitals(region).map(({ mspId }) => ({
        job: 'kubo',
        name: `${region.region}/kubo/${mspId}`,
        network: region.region,
        organisation: mspId,
      })),
    ),
  ];
}

function nodeOf(job: string, network: string, organisation: string): Target {
  return { job, name: `${network}/${job}-operations/${organisation}`, network, organisation };
}

import { fileURLToPath } from 'node:url';
import { hospitals } from './description.ts';
import { networksOf } from './fabric-networks.ts';
import type { Layout } from './layout.ts';
import type { ServicePlace } from './services.ts';

/** Alarms about what {@link prometheus} collects. */
export const ALERTS = fileURLToPath(new URL('../monitoring/alerts.yml', import.meta.url));

/** Where a job's figures are, unless it is `/metrics`. */
const PATHS: Readonly<Record<string, string>> = { kubo: '/debug/metrics/prometheus' };

interface Target extends Omit<ServicePlace, 'kind'> {
  readonly job: string;
}

/**
 * Configuration of Prometheus for everything on this machine that tells its figures: YAML, spelled as JSON.
 * @param tlsRootsFile by which services are known that speak TLS
 */
export function prometheus(layout: Layout, tlsRootsFile?: string): string {
  const jobs = Map.groupBy(targets(layout), ({ job }) => job);
  return JSON.stringify(
    {
      global: { scrape_interval: '15s', evaluation_interval: '15s' },
      rule_files: [ALERTS],
      scrape_configs: [...jobs].map(([job, scraped]) => ({
        job_name: job,
        ...(PATHS[job] !== undefined && { metrics_path: PATHS[job] }),
        ...(scraped.some(({ name }) => layout.url(name).startsWith('https:')) && {
          scheme: 'https',
          tls_config: { ca_file: tlsRootsFile },
        }),
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

function targets(layout: Layout): Target[] {
  const { description, engines, services } = layout;
  const fabric = engines.engine === 'fabric' ? networksOf(description) : [];
  const kubos = engines.vault === 'kubo' ? layout.regions : [];
  return [
    ...services.map(({ kind, ...place }) => ({ job: kind, ...place })),
    ...fabric
      .flatMap(({ name: network, members, orderers }) => [
        ...orderers.map((mspId) => nodeOf('orderer', network, mspId)),
        ...members.map((mspId) => nodeOf('peer', network, mspId)),
      ])
      .filter(({ organisation }) => layout.holds(organisation)),
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

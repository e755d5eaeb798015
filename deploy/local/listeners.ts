import { join } from 'node:path';
import { freePorts, writeWhole } from '@yilian/service';
import { placesOf } from '../hosts/host.ts';
import type { ContractVersions } from './contract-versions.ts';
import { type Description, hospitals } from './description.ts';
import type { Engines } from './engines.ts';
import { fabricPorts } from './fabric-networks.ts';
import { readJsonIfThere } from './files.ts';
import { services } from './services.ts';

/** Where something listens here, and where others reach it. */
export interface Listener {
  readonly listen: string;
  readonly port: number;
  readonly address: string;
  readonly publicPort: number;
  /** Who shows a TLS certificate there. */
  readonly tls?: string;
}

/** By name. */
export type Listeners = ReadonlyMap<string, Listener>;

/** Where a service listens, and, when something stands in front of it, the port that others are told. */
type Port = number | { readonly listen: number; readonly public: number };

const LOOPBACK = '127.0.0.1';
/** Ports of hosts are the same whatever runs on them. */
const ALL_ENGINES = { engine: 'fabric', vault: 'kubo' } as const;

/** On one machine that holds everything: ports of the loopback, chosen the first time and kept in the state. @throws DeployError STATE_DAMAGED */
export async function chosenListeners(state: string, names: readonly string[]): Promise<Listeners> {
  const file = join(state, 'ports.json');
  const ports = new Map(Object.entries(((await readJsonIfThere(file)) ?? {}) as Record<string, Port>));
  const missing = names.filter((name) => !ports.has(name));
  const free = await freePorts(missing.length);
  for (const [index, name] of missing.entries()) ports.set(name, free[index] ?? 0);
  if (missing.length > 0) writeWhole(file, JSON.stringify(Object.fromEntries(ports), null, 2));
  return new Map(
    [...ports].map(([name, port]) => {
      const [own, others] = typeof port === 'number' ? [port, port] : [port.listen, port.public];
      return [name, { listen: LOOPBACK, port: own, address: LOOPBACK, publicPort: others }];
    }),
  );
}

/** On several hosts: what the description says. */
export function describedListeners(description: Description): Listeners {
  return new Map(
    [...placesOf(description, listenerNames(description, ALL_ENGINES, {}))].map(([name, place]) => [
      name,
      { ...place, publicPort: place.port, ...(place.isWeb && { tls: place.owner }) },
    ]),
  );
}

/** The names of everything that listens. */
export function listenerNames(
  description: Description,
  { engine, vault }: Engines,
  contracts: ContractVersions,
): string[] {
  const { regions } = description;
  const embedded = ['main/chain', ...regions.flatMap(({ region }) => [`${region}/chain`, `${region}/main-view`])];
  return [
    ...(engine === 'fabric' ? fabricPorts(description, contracts) : embedded),
    'pseudonyms',
    ...services(description).map(({ name }) => name),
    ...regions.flatMap((region) => [
      `${region.region}/redis`,
      ...hospitals(region).flatMap(({ mspId }) =>
        [...(vault === 'kubo' ? ['kubo', 'swarm'] : []), 'vault'].map((what) => `${region.region}/${what}/${mspId}`),
      ),
    ]),
  ];
}

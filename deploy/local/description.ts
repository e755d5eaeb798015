import { readFile } from 'node:fs/promises';
import { FederationId, MspId, parser, RegionId, ScopeEntry } from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';
import { faultOfHosts, Host } from '../hosts/host.ts';
import { DeployError } from './errors.ts';

/** The name of the main chain as a network and as a channel. */
export const MAIN = 'main';
/** In which a state keeps its description. */
export const DESCRIPTION_FILE = 'description.json';

const object = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const Name = Type.String({ minLength: 1, maxLength: 120 });

const Organisation = object({
  mspId: MspId,
  name: Name,
  kind: Type.Union([Type.Literal('commission'), Type.Literal('hospital'), Type.Literal('auditor')]),
  /** Fabric peers on its region's chain. Default: 1. */
  peers: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 })),
});
/** MSP ids of the organisations with a Fabric orderer of a chain. */
const Orderers = Type.Array(MspId, { minItems: 1, maxItems: 12, uniqueItems: true });
const Region = object({
  region: RegionId,
  name: Name,
  organisations: Type.Array(Organisation, { minItems: 2, maxItems: 12 }),
  /** By Raft. Default: the commission alone. */
  orderers: Type.Optional(Orderers),
});
const Authority = object({
  mspId: MspId,
  name: Name,
  /** The region whose relay enters the main chain through this authority. */
  region: Type.Optional(RegionId),
});

/** A federation: who takes part, and how many proxies must agree. */
export const Description = object({
  federation: FederationId,
  /** t of the n proxies of a region must act. */
  threshold: Type.Integer({ minimum: 1, maximum: 12 }),
  scopes: Type.Array(ScopeEntry, { minItems: 1, maxItems: 256 }),
  authorities: Type.Array(Authority, { minItems: 1, maxItems: 12 }),
  /** Of the main chain: by SmartBFT from four on, else by Raft. Default: every authority of at least four, else the first. */
  orderers: Type.Optional(Orderers),
  regions: Type.Array(Region, { minItems: 1, maxItems: 16 }),
  /** The machines that hold regions and authorities, each of these on one. Left out: this machine holds everything. */
  hosts: Type.Optional(Type.Array(Host, { minItems: 1, maxItems: 32 })),
  /** When Fabric's orderers cut a block: so long after its first transaction, or when it has so many. */
  block: Type.Optional(
    object({
      timeoutMs: Type.Integer({ minimum: 1, maximum: 60_000 }),
      maxMessages: Type.Integer({ minimum: 1, maximum: 10_000 }),
    }),
  ),
});
export type Description = Static<typeof Description>;
export type RegionDescription = Description['regions'][number];
export type OrganisationDescription = RegionDescription['organisations'][number];

const parse = parser('description', Description);

/** @throws DeployError DESCRIPTION_INVALID, FILE_UNREADABLE */
export async function readDescription(path: string | URL): Promise<Description> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new DeployError('FILE_UNREADABLE', `cannot read the description ${String(path)}`, { cause });
  }
  try {
    return checked(parse(JSON.parse(text)));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DeployError('DESCRIPTION_INVALID', `${String(path)}: ${why}`, { cause });
  }
}

function checked(description: Description): Description {
  const { regions, authorities, threshold, orderers = [] } = description;
  const mspIds = [
    ...authorities.map(({ mspId }) => mspId),
    ...regions.flatMap(({ organisations }) => organisations.map(({ mspId }) => mspId)),
  ];
  demand(new Set(mspIds).size === mspIds.length, 'an MSP id is used twice');
  demand(new Set(regions.map(({ region }) => region)).size === regions.length, 'a region is listed twice');
  demand(
    orderers.every((mspId) => authorities.some((authority) => authority.mspId === mspId)),
    'an authority orders the main chain, nobody else',
  );
  for (const region of regions) {
    const own = new Set(region.organisations.map(({ mspId }) => mspId));
    demand(
      (region.orderers ?? []).every((mspId) => own.has(mspId)),
      `${region.region} is ordered by its organisations`,
    );
    const kinds = region.organisations.map(({ kind }) => kind);
    demand(kinds.filter((kind) => kind === 'commission').length === 1, `${region.region} needs exactly one commission`);
    demand(kinds.includes('hospital'), `${region.region} needs a hospital`);
    demand(proxyHosts(region).length >= threshold, `${region.region} has fewer proxies than the threshold`);
    demand(
      authorities.filter((authority) => authority.region === region.region).length === 1,
      `${region.region} needs exactly one authority`,
    );
  }
  const fault = faultOfHosts(description);
  demand(fault === undefined, fault ?? '');
  return description;
}

function demand(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

/** The least that is more than half. */
export function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1;
}

/** The organisations of a region that run a proxy: all but auditors. */
export function proxyHosts(region: RegionDescription): readonly OrganisationDescription[] {
  return region.organisations.filter(({ kind }) => kind !== 'auditor');
}

export function hospitals(region: RegionDescription): readonly OrganisationDescription[] {
  return region.organisations.filter(({ kind }) => kind === 'hospital');
}

/** The commission, which runs the relay. */
export function commission(region: RegionDescription): OrganisationDescription {
  const found = region.organisations.find(({ kind }) => kind === 'commission');
  if (found === undefined) throw new DeployError('DESCRIPTION_INVALID', `${region.region} has no commission`);
  return found;
}

/** The authority through which a region's relay enters the main chain. */
export function authorityOf(description: Description, region: string): Description['authorities'][number] {
  const found = description.authorities.find((authority) => authority.region === region);
  if (found === undefined) throw new DeployError('DESCRIPTION_INVALID', `${region} has no authority`);
  return found;
}

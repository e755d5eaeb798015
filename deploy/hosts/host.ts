import { isIP } from 'node:net';
import { MspId, RegionId } from '@yilian/protocol';
import { type Static, Type } from '@yilian/schema';

const DNS_LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';

/** A machine that runs some of a federation's regions and authorities. */
export const Host = Type.Object(
  {
    name: Type.String({ pattern: `^${DNS_LABEL}$` }),
    /** The IPv4 address or DNS name by which others reach it. */
    address: Type.String({ pattern: `^${DNS_LABEL}(\\.${DNS_LABEL})*$`, maxLength: 253 }),
    /** The IPv4 address it listens on. Default: `address`, or every one when that is a name. */
    listen: Type.Optional(Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}$' })),
    regions: Type.Array(RegionId, { maxItems: 16 }),
    authorities: Type.Array(MspId, { maxItems: 12 }),
    /** Every organisation has a block of {@link BLOCK} ports from here on, in the order of the description. */
    firstPort: Type.Optional(Type.Integer({ minimum: 1024, maximum: 60_000 })),
  },
  { additionalProperties: false },
);
export type Host = Static<typeof Host>;

/** What of a federation's description is spread over hosts. */
interface Spread {
  readonly hosts?: readonly Host[];
  readonly authorities: readonly { readonly mspId: string; readonly region?: string }[];
  readonly regions: readonly {
    readonly region: string;
    readonly organisations: readonly { readonly mspId: string; readonly kind: string }[];
  }[];
}

/** What others reach; everything else listens on the loopback interface of its host. */
const PUBLIC = new Set(['attester', 'orderer', 'peer', 'proxy', 'pseudonyms', 'relay', 'swarm', 'vault']);
/** Of these, what speaks HTTP. */
const WEB = new Set(['attester', 'proxy', 'pseudonyms', 'relay', 'vault']);
const LOOPBACK = '127.0.0.1';
const EVERY = '0.0.0.0';
const FIRST_PORT = 7000;
const BLOCK = 32;

/** Why the hosts of a description do not fit it; nothing when they do. */
export function faultOfHosts(description: Spread): string | undefined {
  const { hosts, authorities, regions } = description;
  if (hosts === undefined) return undefined;
  const twice = (what: string, all: readonly string[]): string[] =>
    all.filter((each, index) => all.indexOf(each) < index).map((each) => `${what} ${each} is on two hosts`);
  const astray = (what: string, placed: readonly string[], known: readonly string[]): string[] => [
    ...twice(what, placed),
    ...known.filter((each) => !placed.includes(each)).map((each) => `${what} ${each} is on no host`),
    ...placed.filter((each) => !known.includes(each)).map((each) => `there is no ${what} ${each}`),
  ];
  const named = (all: readonly string[]) => new Set(all).size === all.length;
  const [fault] = [
    ...(named(hosts.map(({ name }) => name)) ? [] : ['two hosts have the same name']),
    ...(named(hosts.map(({ address }) => address)) ? [] : ['two hosts have the same address']),
    ...hosts
      .filter((host) => !isReal(host.address) || (host.listen !== undefined && isIP(host.listen) === 0))
      .map(({ name }) => `the address of ${name} is none`),
    ...astray(
      'region',
      hosts.flatMap((host) => host.regions),
      regions.map(({ region }) => region),
    ),
    ...astray(
      'authority',
      hosts.flatMap((host) => host.authorities),
      authorities.map(({ mspId }) => mspId),
    ),
    ...hosts.flatMap((host) =>
      authorities
        .filter(
          ({ mspId, region }) =>
            region !== undefined && host.regions.includes(region) && !host.authorities.includes(mspId),
        )
        .map(
          ({ mspId, region }) => `${mspId}, through which ${region} enters the main chain, has to be on ${host.name}`,
        ),
    ),
    ...hosts
      .filter((host) => (host.firstPort ?? FIRST_PORT) + BLOCK * membersOn(description, host).length > 65_536)
      .map(({ name }) => `the ports of ${name} do not suffice`),
  ];
  return fault;
}

/** Digits and dots are an address or nothing. */
function isReal(address: string): boolean {
  return isIP(address) === 4 || !/^[\d.]+$/.test(address);
}

/** The MSP ids of everybody on a host, in the order of the description. */
export function membersOn({ authorities, regions }: Spread, host: Host): readonly string[] {
  return [
    ...authorities.map(({ mspId }) => mspId).filter((mspId) => host.authorities.includes(mspId)),
    ...regions
      .filter(({ region }) => host.regions.includes(region))
      .flatMap(({ organisations }) => organisations.map(({ mspId }) => mspId)),
  ];
}

/** The host of whoever runs what listens under this name. */
export function hostOf(description: Spread, name: string): Host | undefined {
  const owner = ownerOf(description, name);
  return description.hosts?.find((host) => membersOn(description, host).includes(owner));
}

/** Where something listens and is reached. */
export interface Place {
  /** What others put before the port. */
  readonly address: string;
  /** The interface it listens on. */
  readonly listen: string;
  readonly port: number;
  readonly isPublic: boolean;
  /** Whether it speaks HTTP to others, and therefore TLS. */
  readonly isWeb: boolean;
  /** Who runs it, and shows a certificate there. */
  readonly owner: string;
}

/** Where everything of these names is, which every host works out alike. */
export function placesOf(description: Spread, names: readonly string[]): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const host of description.hosts ?? []) {
    const { address, listen = isIP(address) ? address : EVERY, firstPort = FIRST_PORT } = host;
    for (const [block, owner] of membersOn(description, host).entries()) {
      const own = names.filter((name) => ownerOf(description, name) === owner);
      for (const [index, name] of own.entries()) {
        const kind = kindOf(name);
        const isPublic = PUBLIC.has(kind);
        places.set(name, {
          address: isPublic ? address : LOOPBACK,
          listen: isPublic ? listen : LOOPBACK,
          port: firstPort + BLOCK * block + index,
          isPublic,
          isWeb: WEB.has(kind),
          owner,
        });
      }
    }
  }
  return places;
}

/** `pseudonyms`, `REGION/relay`, `NETWORK/peer/MSP`. */
function kindOf(name: string): string {
  const [first = '', kind = first] = name.split('/');
  return kind;
}

/** A region's own services are its commission's, the federation's are the first authority's. */
function ownerOf({ authorities, regions }: Spread, name: string): string {
  const [network, , mspId] = name.split('/');
  if (mspId !== undefined) return mspId;
  const organisations = regions.find(({ region }) => region === network)?.organisations ?? [];
  return organisations.find(({ kind }) => kind === 'commission')?.mspId ?? authorities[0]?.mspId ?? '';
}

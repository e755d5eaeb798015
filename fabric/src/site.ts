import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { HeldCertificate } from './certificates.ts';
import type { GenesisFiles } from './configtx.ts';
import { reachableElsewhere } from './elsewhere.ts';
import { FabricError } from './errors.ts';
import { readIfThere, write } from './files.ts';
import { type Administrator, type OrdererAccess, ordererStatus } from './lifecycle.ts';
import type { CredentialFiles } from './msp.ts';
import { type BuilderConfig, type ContractPackage, contractPackage } from './package.ts';
import {
  addressOf,
  type NetworkPlan,
  type OrdererPlan,
  type OrganisationPlan,
  type PeerPlan,
  versionsOf,
} from './plan.ts';

/** A package of a chaincode, and what it runs. */
export interface PlannedPackage extends ContractPackage {
  readonly chaincode: string;
  readonly version: string;
  readonly module: string;
}

interface ServedPackage extends PlannedPackage {
  readonly address: string;
}

/** A process that serves contracts. */
export interface ContractServer {
  readonly name: string;
  /** Its configuration. */
  readonly file: string;
  readonly packages: readonly ServedPackage[];
}

/** Where everything of a planned network lies on this machine, and how its administrators reach it. */
export class Site {
  readonly plan: NetworkPlan;
  readonly folder: string;
  readonly binaries: Binaries;
  /** Of every version that is planned, the current one of each chaincode first. */
  readonly packages: readonly PlannedPackage[];

  constructor(plan: NetworkPlan, folder: string, binaries: Binaries) {
    this.plan = plan;
    this.folder = folder;
    this.binaries = binaries;
    this.packages = plan.chaincodes.flatMap((chaincode) =>
      versionsOf(chaincode).map(({ version, module }) => ({
        ...contractPackage(chaincode.name, version),
        chaincode: chaincode.name,
        version,
        module,
      })),
    );
  }

  /** The organisations whose keys and nodes are on this machine. */
  get held(): readonly OrganisationPlan[] {
    return this.plan.organisations.filter(({ isElsewhere }) => isElsewhere !== true);
  }

  /** Of these, the ones whose files and peers are this network's. */
  get own(): readonly OrganisationPlan[] {
    return this.held.filter(({ home }) => home === undefined);
  }

  get heldOrderers(): readonly OrdererPlan[] {
    return this.plan.orderers.filter(({ mspId }) => this.organisation(mspId).isElsewhere !== true);
  }

  /** Whether some of its organisations are on other machines. */
  get isSpread(): boolean {
    return this.held.length < this.plan.organisations.length;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** The package of a chaincode's current version. */
  package(chaincode: string): PlannedPackage {
    return planned(
      this.packages.find((each) => each.chaincode === chaincode),
      `${chaincode} is no chaincode of ${this.plan.channel}`,
    );
  }

  packageFile({ label }: ContractPackage): string {
    return this.path('contracts', `${label}.tar.gz`);
  }

  /** What an organisation's contract servers serve, and where: one process for what has an address of its own, one for the rest. */
  served({ mspId, contracts }: OrganisationPlan): readonly ContractServer[] {
    if (contracts === undefined) return [];
    const servers = new Map<string, ServedPackage[]>();
    for (const each of this.packages) {
      const own = contracts[each.label];
      const name = `contracts/${mspId}${own === undefined ? '' : `/${each.label}`}`;
      const endpoint = planned(own ?? contracts[each.chaincode], `${mspId} has no address for ${each.label}`);
      servers.set(name, [...(servers.get(name) ?? []), { ...each, address: addressOf(endpoint) }]);
    }
    return [...servers].map(([name, packages]) => {
      const label = name.split('/')[2] ?? 'contracts';
      return { name, file: this.path('contracts', mspId, `${label}.json`), packages };
    });
  }

  /** Where the files lie that a channel's configuration takes in. */
  genesisFiles(): GenesisFiles {
    return {
      msp: (mspId) => join(this.home(mspId), 'msp'),
      identity: ({ name }) => this.path('orderers', name, 'msp/signcerts/cert.pem'),
      tls: ({ name }) => this.path('orderers', name, 'tls/cert.pem'),
    };
  }

  /** The folder of an organisation's files. */
  home(mspId: string): string {
    return this.organisation(mspId).home ?? this.path('organisations', mspId);
  }

  /** The certificates of every process and administrator. */
  certificates(): readonly HeldCertificate[] {
    const held = (holder: string, folder: string, own: OrganisationPlan): HeldCertificate[] => [
      ...(holder.startsWith('contracts/')
        ? []
        : [
            {
              holder,
              use: 'identity' as const,
              authority: own.authority,
              certificate: join(folder, 'msp/signcerts/cert.pem'),
              privateKey: join(folder, 'msp/keystore/key.pem'),
            },
          ]),
      {
        holder,
        use: 'TLS',
        authority: own.tlsAuthority,
        certificate: join(folder, 'tls/cert.pem'),
        privateKey: join(folder, 'tls/key.pem'),
      },
    ];
    return [
      ...this.own.flatMap((own) => {
        const folder = this.home(own.mspId);
        return [
          ...held(`admin/${own.mspId}`, join(folder, 'admin'), own),
          ...(own.contracts === undefined ? [] : held(`contracts/${own.mspId}`, join(folder, 'contracts'), own)),
          ...own.peers.flatMap(({ name }) => held(`peer/${own.mspId}/${name}`, join(folder, 'peers', name), own)),
        ];
      }),
      ...this.heldOrderers.flatMap(({ name, mspId }) =>
        held(`orderer/${name}`, this.path('orderers', name), this.organisation(mspId)),
      ),
    ];
  }

  /** What a peer's builder fills into packages, as of now. */
  writeBuilderConfig(organisation: OrganisationPlan, peer: string): string {
    const folder = join(this.home(organisation.mspId), 'peers', peer);
    const pem = (name: string) => readFileSync(join(folder, 'tls', name), 'utf8');
    const file = join(folder, 'builder/config.json');
    const before = readIfThere(file);
    const packages = this.served(organisation).flatMap((server) => server.packages);
    const config: BuilderConfig = {
      // What a peer of two networks has of the other stays.
      addresses: {
        ...(before !== undefined && (JSON.parse(before) as BuilderConfig).addresses),
        ...Object.fromEntries(packages.map(({ label, address }) => [label, address])),
      },
      roots: pem('roots.pem'),
      certificate: pem('cert.pem'),
      privateKey: pem('key.pem'),
    };
    return write(file, JSON.stringify(config));
  }

  organisation(mspId: string): OrganisationPlan {
    return planned(
      this.plan.organisations.find((organisation) => organisation.mspId === mspId),
      `${mspId} is no organisation of ${this.plan.channel}`,
    );
  }

  orderer(name: string): OrdererPlan {
    return planned(
      this.plan.orderers.find((orderer) => orderer.name === name),
      `${name} is no orderer of ${this.plan.channel}`,
    );
  }

  /** The organisation's administrator at one of its peers; the first when none is named. */
  administrator(mspId: string, peerName?: string): Administrator {
    const peer = planned(
      this.organisation(mspId).peers.find(({ name }) => peerName === undefined || name === peerName),
      `${mspId} has no peer ${peerName ?? ''}`,
    );
    return this.#administrator(mspId, peer);
  }

  /** At every peer of an organisation. */
  administrators({ mspId, peers }: OrganisationPlan): readonly Administrator[] {
    return peers.map((peer) => this.#administrator(mspId, peer));
  }

  #administrator(mspId: string, { name, endpoint }: PeerPlan): Administrator {
    const folder = join(this.home(mspId), 'peers', name);
    return {
      program: this.binaries.peer,
      config: join(folder, 'admin'),
      address: addressOf(endpoint),
      roots: join(folder, 'tls/roots.pem'),
    };
  }

  administratorTls(mspId: string): CredentialFiles & { readonly roots: string } {
    const folder = join(this.home(mspId), 'admin/tls');
    return {
      certificate: join(folder, 'cert.pem'),
      privateKey: join(folder, 'key.pem'),
      roots: join(folder, 'roots.pem'),
    };
  }

  ordererAccess({ mspId, endpoint }: OrdererPlan): OrdererAccess {
    return { address: addressOf(endpoint), roots: this.administratorTls(mspId).roots };
  }

  /**
   * The consenter of the channel that has the most blocks, besides those left out. Only the orderers of this machine tell
   * how many they have; where none of them does, one of another machine that takes connections.
   * @throws FabricError FABRIC_NOT_READY
   */
  async consenter(
    signal?: AbortSignal,
    without: readonly string[] = [],
  ): Promise<{ readonly mspId: string; readonly access: OrdererAccess }> {
    const answers = await Promise.all(
      this.heldOrderers
        .filter(({ name }) => !without.includes(name))
        .map(async (orderer) => ({ orderer, status: await this.status(orderer, signal) })),
    );
    const [best] = answers
      .flatMap(({ orderer, status }) => (status?.relation === 'consenter' ? [{ orderer, height: status.height }] : []))
      .toSorted((one, other) => other.height - one.height);
    if (best !== undefined) return { mspId: best.orderer.mspId, access: this.ordererAccess(best.orderer) };
    const elsewhere = await reachableElsewhere(this, without);
    if (elsewhere !== undefined) return { mspId: elsewhere.mspId, access: this.ordererAccess(elsewhere) };
    throw new FabricError('FABRIC_NOT_READY', `no orderer of ${this.plan.channel} answers`);
  }

  /** Undefined where an orderer does not answer, or does not know the channel. */
  async status(orderer: OrdererPlan, signal?: AbortSignal): ReturnType<typeof ordererStatus> {
    const { mspId, admin } = orderer;
    return ordererStatus(this.binaries, this.plan.channel, addressOf(admin), this.administratorTls(mspId), signal);
  }
}

function planned<T>(found: T | undefined, otherwise: string): T {
  if (found === undefined) throw new FabricError('FABRIC_UNPLANNED', otherwise);
  return found;
}

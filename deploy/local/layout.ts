import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectOptions } from '@yilian/ledger';
import type { ChannelConfig, EmbeddedConfig } from '@yilian/ledger/embedded';
import { type Genesis, type Organisation, parseGenesis, ROLE_ATTRIBUTE, type Trust } from '@yilian/protocol';
import { freePorts, writeWhole } from '@yilian/service';
import { type ContractVersions, chaincodeOf, readContractVersions } from './contract-versions.ts';
import {
  authorityOf,
  commission,
  type Description,
  hospitals,
  MAIN,
  proxyHosts,
  type RegionDescription,
} from './description.ts';
import { type Engines, readEngines } from './engines.ts';
import { fabricPorts } from './fabric-networks.ts';
import { readIfThere, readJsonIfThere } from './files.ts';
import type { HolderConfig } from './holder.ts';
import { type CredentialFiles, Pki } from './pki.ts';
import { services } from './services.ts';

const GENESIS_FILE = 'genesis.json';

/** Configuration of `chain-main.ts`. */
export interface ChainConfig {
  readonly chaincode: string;
  readonly endorsement: string;
  readonly folder: string;
  readonly port: number;
  readonly network: Omit<EmbeddedConfig, 'chaincodes'>;
}

/** Configuration of `view-main.ts`. */
export interface ViewConfig {
  readonly chaincode: string;
  readonly endorsement: string;
  readonly folder: string;
  readonly port: number;
  /** `host:port` of the main chain. */
  readonly upstream: string;
  readonly network: Omit<ChannelConfig, 'chaincodes'>;
  readonly identity: CredentialFiles & { readonly mspId: string };
}

/** `host:port` of a peer's gateway, with the file of its TLS roots. */
export interface LedgerAccess {
  readonly address: string;
  /** Whose peer it is, where it is not the member's own. */
  readonly peerMspId?: string;
  readonly tls?: { readonly rootsFile: string; readonly serverName: string };
}

/** Configuration of `vault-main.ts`. */
export interface VaultConfig {
  readonly holders: readonly (HolderConfig & { readonly port: number })[];
}

/** Where a service listens, and, when something stands in front of it, the port that others are told. */
type Port = number | { readonly listen: number; readonly public: number };

/**
 * Where everything of one local federation lies: folders, ports (chosen the first time, kept from then on, because
 * relays' addresses are registered on the main chain), credentials and trust roots.
 */
export class Layout {
  readonly state: string;
  readonly description: Description;
  /** What it was described as before a change that has begun and not ended. */
  readonly before: Description | undefined;
  readonly engines: Engines;
  readonly contracts: ContractVersions;
  readonly pki: Pki;
  readonly #ports: ReadonlyMap<string, Port>;

  private constructor(
    state: string,
    description: Description,
    before: Description | undefined,
    engines: Engines,
    contracts: ContractVersions,
    ports: ReadonlyMap<string, Port>,
  ) {
    this.state = state;
    this.description = description;
    this.before = before;
    this.engines = engines;
    this.contracts = contracts;
    this.pki = new Pki(join(state, 'pki'));
    this.#ports = ports;
  }

  static async open(state: string, description: Description, before?: Description): Promise<Layout> {
    await mkdir(join(state, 'logs'), { recursive: true, mode: 0o700 });
    const engines = await readEngines(state);
    const contracts = await readContractVersions(state);
    const file = join(state, 'ports.json');
    const ports = new Map(Object.entries(((await readJsonIfThere(file)) ?? {}) as Record<string, Port>));
    const missing = portNames(description, engines, contracts).filter((name) => !ports.has(name));
    const free = await freePorts(missing.length);
    for (const [index, name] of missing.entries()) ports.set(name, free[index] ?? 0);
    if (missing.length > 0) writeWhole(file, JSON.stringify(Object.fromEntries(ports), null, 2));
    return new Layout(state, description, before, engines, contracts, ports);
  }

  /** The names of everything that listens. */
  get listeners(): readonly string[] {
    return portNames(this.description, this.engines, this.contracts);
  }

  /** Where it listens. */
  port(name: string): number {
    const port = this.#port(name);
    return typeof port === 'number' ? port : port.listen;
  }

  /** Where others reach it. */
  address(name: string): string {
    const port = this.#port(name);
    return `127.0.0.1:${typeof port === 'number' ? port : port.public}`;
  }

  url(name: string): string {
    return `http://${this.address(name)}`;
  }

  #port(name: string): Port {
    const port = this.#ports.get(name);
    if (port === undefined) throw new Error(`no port is laid out for ${name}`);
    return port;
  }

  path(...parts: string[]): string {
    return join(this.state, ...parts);
  }

  /** Where a process's words go. */
  logFile(name: string): string {
    return this.path('logs', `${name.replaceAll('/', '-')}.log`);
  }

  async folder(...parts: string[]): Promise<string> {
    const folder = this.path(...parts);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /**
   * A member's own way to a network: its own peer, which on the embedded engine is the one node there is. The main
   * chain is seen through `region`'s own view, where one is named: its commission's peer, or a follower.
   */
  async ledger(network: string, mspId: string, region?: string): Promise<LedgerAccess> {
    if (this.engines.engine === 'embedded')
      return { address: this.address(region === undefined ? `${network}/chain` : `${region}/main-view`) };
    const peerMspId = region === undefined ? mspId : commission(this.region(region)).mspId;
    return {
      address: this.address(`${region ?? network}/peer/${peerMspId}`),
      ...(peerMspId !== mspId && { peerMspId }),
      tls: { rootsFile: await this.pki.tlsRootsFile(peerMspId), serverName: 'localhost' },
    };
  }

  /** As a client of the ledger takes it. */
  async client(network: string, mspId: string): Promise<Pick<ConnectOptions, 'client' | 'tls'>> {
    const { address, tls } = await this.ledger(network, mspId);
    if (tls === undefined) return { client: address };
    const { rootsFile, serverName } = tls;
    return { client: address, tls: { roots: await readFile(rootsFile, 'utf8'), serverName } };
  }

  /** A client credential with a `yilian.role`. */
  credential(
    mspId: string,
    role: string,
    name = role,
  ): Promise<{ certificate: string; privateKey: string } & CredentialFiles> {
    return this.pki.credential(mspId, name, {
      commonName: name,
      role: 'client',
      attributes: { [ROLE_ATTRIBUTE]: role },
    });
  }

  /** Trust roots, version 1, of a region or of the main chain. */
  async trust(network: string): Promise<Trust> {
    const { members, quorum, attesters, attestationQuorum } = this.#network(network);
    const organisations: Organisation[] = [];
    for (const mspId of members) organisations.push({ mspId, roots: [(await this.pki.authority(mspId)).rootPem] });
    return {
      network,
      channel: network,
      chaincode: chaincodeOf(network),
      version: 1,
      endorsement: outOf(quorum, members, 'peer'),
      attestation: outOf(attestationQuorum, attesters, 'client'),
      attesters: { [ROLE_ATTRIBUTE]: 'proxy' },
      organisations,
      validFrom: 0,
    };
  }

  /** What the federation was founded on, whoever came since. */
  async genesis(): Promise<Genesis> {
    const kept = await readJsonIfThere(this.path(GENESIS_FILE));
    return kept === undefined
      ? { federation: this.description.federation, main: await this.trust(MAIN) }
      : parseGenesis(kept);
  }

  /** The file of it, written the first time. */
  async genesisFile(): Promise<string> {
    return this.write(GENESIS_FILE, await this.genesis());
  }

  async chain(network: string): Promise<ChainConfig> {
    const trust = await this.trust(network);
    const organisations = await Promise.all(
      trust.organisations.map(async ({ mspId, roots }) => {
        const peer = await this.pki.credential(mspId, 'peer', { commonName: `peer.${mspId}`, role: 'peer' });
        return { mspId, roots, peer: { certificate: peer.certificate, privateKey: peer.privateKey } };
      }),
    );
    const [first] = trust.organisations;
    const mspId = first?.mspId ?? '';
    const orderer = await this.pki.credential(mspId, 'orderer', { commonName: `orderer.${mspId}`, role: 'orderer' });
    return {
      chaincode: trust.chaincode,
      endorsement: trust.endorsement,
      folder: await this.folder(network, 'chain'),
      port: this.port(`${network}/chain`),
      network: {
        network,
        channel: network,
        organisations,
        orderer: { mspId, certificate: orderer.certificate, privateKey: orderer.privateKey },
      },
    };
  }

  /** A region's own view of the main chain, under the identity its relay has there. */
  async view(region: RegionDescription): Promise<ViewConfig> {
    const { chaincode, endorsement, network } = await this.chain(MAIN);
    const { mspId, certificate } = network.orderer;
    const { main } = await this.relayIdentities(region);
    const name = `${region.region}/main-view`;
    return {
      chaincode,
      endorsement,
      folder: await this.folder(name),
      port: this.port(name),
      upstream: this.address(`${MAIN}/chain`),
      network: {
        network: network.network,
        channel: network.channel,
        organisations: network.organisations.map(({ peer: _, ...organisation }) => organisation),
        orderer: { mspId, certificate },
      },
      identity: { mspId: main.mspId, certificateFile: main.certificateFile, privateKeyFile: main.privateKeyFile },
    };
  }

  /** Trustless gateways of a region's holders. */
  holders(region: RegionDescription): readonly string[] {
    return hospitals(region).map(({ mspId }) => this.url(`${region.region}/vault/${mspId}`));
  }

  async vaults(region: RegionDescription): Promise<VaultConfig> {
    const holders = [];
    for (const { mspId } of hospitals(region)) {
      const own = this.url(`${region.region}/vault/${mspId}`);
      holders.push({
        mspId,
        blocks:
          this.engines.vault === 'kubo'
            ? { kubo: this.url(`${region.region}/kubo/${mspId}`) }
            : { folder: await this.folder(region.region, 'vault', mspId) },
        port: this.port(`${region.region}/vault/${mspId}`),
        others: this.holders(region).filter((url) => url !== own),
      });
    }
    return { holders };
  }

  /** Writes a JSON file that only its owner reads, whole or not at all. */
  async write(name: string, value: unknown): Promise<string> {
    const file = this.path(name);
    writeWhole(file, JSON.stringify(value, null, 2));
    return file;
  }

  /** A file with fresh random bytes (hex), made the first time. */
  async secret(name: string): Promise<string> {
    const file = this.path(name);
    if ((await readIfThere(file)) === undefined) writeWhole(file, randomBytes(32).toString('hex'));
    return file;
  }

  #network(network: string): { members: string[]; quorum: number; attesters: string[]; attestationQuorum: number } {
    if (network === MAIN) {
      const members = this.description.authorities.map(({ mspId }) => mspId);
      const quorum = Math.floor(members.length / 2) + 1;
      return { members, quorum, attesters: members, attestationQuorum: quorum };
    }
    const region = this.region(network);
    const members = region.organisations.map(({ mspId }) => mspId);
    const attesters = proxyHosts(region).map(({ mspId }) => mspId);
    return {
      members,
      quorum: Math.min(2, members.length),
      attesters,
      attestationQuorum: Math.min(2, attesters.length),
    };
  }

  region(name: string): RegionDescription {
    const found = this.description.regions.find(({ region }) => region === name);
    if (found === undefined) throw new Error(`no region ${name} in the description`);
    return found;
  }

  /** The identity a region's relay has on its own chain and on the main chain. */
  async relayIdentities(region: RegionDescription) {
    const own = commission(region).mspId;
    const authority = authorityOf(this.description, region.region).mspId;
    return {
      own: { mspId: own, ...(await this.credential(own, 'relay')) },
      main: { mspId: authority, ...(await this.credential(authority, 'relay')) },
    };
  }
}

function outOf(quorum: number, mspIds: readonly string[], role: 'peer' | 'client'): string {
  return `OutOf(${quorum}, ${mspIds.map((mspId) => `'${mspId}.${role}'`).join(', ')})`;
}

function portNames(description: Description, { engine, vault }: Engines, contracts: ContractVersions): string[] {
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

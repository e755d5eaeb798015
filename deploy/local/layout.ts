import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Endpoint, type OrdererCertificates, serverNameOf } from '@yilian/fabric';
import type { ConnectOptions } from '@yilian/ledger';
import { type Genesis, type Organisation, parseGenesis, ROLE_ATTRIBUTE, type Trust } from '@yilian/protocol';
import { type ServerTlsFiles, writeWhole } from '@yilian/service';
import { type Agreement, parseAgreement } from '../hosts/bundle.ts';
import { type Host, hostOf, membersOn } from '../hosts/host.ts';
import { type ContractVersions, chaincodeOf, readContractVersions } from './contract-versions.ts';
import {
  authorityOf,
  commission,
  type Description,
  hospitals,
  MAIN,
  majorityOf,
  proxyHosts,
  type RegionDescription,
} from './description.ts';
import { type Engines, readEngines } from './engines.ts';
import { DeployError } from './errors.ts';
import { readIfThere, readJsonIfThere } from './files.ts';
import { chosenListeners, describedListeners, type Listener, type Listeners, listenerNames } from './listeners.ts';
import { type CredentialFiles, EMBEDDED, namesOf, Pki } from './pki.ts';
import { type ServicePlace, services } from './services.ts';

const GENESIS_FILE = 'genesis.json';

/** `host:port` of a peer's gateway, with the file of its TLS roots. */
export interface LedgerAccess {
  readonly address: string;
  /** Whose peer it is, where it is not the member's own. */
  readonly peerMspId?: string;
  readonly tls?: { readonly rootsFile: string; readonly serverName: string };
}

/** Where a service listens, and what it shows there where others reach it over a network. */
export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly tls?: ServerTlsFiles;
}

interface LayoutParts {
  readonly state: string;
  readonly description: Description;
  readonly before?: Description | undefined;
  readonly engines: Engines;
  readonly contractVersions: ContractVersions;
  readonly listeners: Listeners;
  readonly host?: Host | undefined;
  readonly agreement?: Agreement | undefined;
}

/** In the state folder of a host: which it is, and what it agreed on with the others. */
export const HOST_FILE = 'host.json';
export const AGREEMENT_FILE = 'agreement.json';

/**
 * Where everything of a federation lies on this machine: folders, ports, credentials and trust roots. On one machine
 * that holds everything, ports are chosen the first time and kept from then on, because relays' addresses are registered
 * on the main chain. A host of several holds what the description puts on it, and everything's place follows from that.
 */
export class Layout {
  readonly state: string;
  readonly description: Description;
  /** What it was described as before a change that has begun and not ended. */
  readonly before: Description | undefined;
  readonly engines: Engines;
  readonly contractVersions: ContractVersions;
  readonly pki: Pki;
  /** Which of the description's hosts this is; none where one machine holds everything. */
  readonly host: Host | undefined;
  readonly agreement: Agreement | undefined;
  readonly #parts: LayoutParts;

  private constructor(parts: LayoutParts) {
    this.#parts = parts;
    this.state = parts.state;
    this.description = parts.description;
    this.before = parts.before;
    this.engines = parts.engines;
    this.contractVersions = parts.contractVersions;
    this.host = parts.host;
    this.agreement = parts.agreement;
    const organisation = this.host === undefined ? EMBEDDED : undefined;
    this.pki = new Pki(
      join(this.state, 'pki'),
      organisation,
      (mspId) => this.#elsewhere(mspId),
      this.host && namesOf(this.host),
    );
  }

  /** @throws DeployError STATE_DAMAGED; USAGE when the description has hosts and this state is none of them */
  static async open(state: string, description: Description, before?: Description): Promise<Layout> {
    await mkdir(join(state, 'logs'), { recursive: true, mode: 0o700 });
    const engines = await readEngines(state);
    const contractVersions = await readContractVersions(state);
    const parts = { state, description, engines, contractVersions };
    if (description.hosts === undefined) {
      const listeners = await chosenListeners(state, listenerNames(description, engines, contractVersions));
      return new Layout({ ...parts, before, listeners });
    }
    const kept = (await readJsonIfThere(join(state, HOST_FILE))) as { readonly name: string } | undefined;
    const host = description.hosts.find(({ name }) => name === kept?.name);
    if (host === undefined)
      throw new DeployError('USAGE', `the description names hosts; say which one this is with: yilian host keys`);
    const agreement = await readIfThere(join(state, AGREEMENT_FILE));
    return new Layout({
      ...parts,
      listeners: describedListeners(description),
      host,
      agreement: agreement === undefined ? undefined : parseAgreement(agreement),
    });
  }

  /** The same machine, knowing what the hosts agreed on. */
  knowing(agreement: Agreement): Layout {
    return new Layout({ ...this.#parts, agreement });
  }

  /** Whether a member's keys and processes are on this machine. */
  holds(mspId: string): boolean {
    return this.host === undefined || membersOn(this.description, this.host).includes(mspId);
  }

  /** The regions of this machine. */
  get regions(): readonly RegionDescription[] {
    return this.description.regions.filter((region) => this.holds(commission(region).mspId));
  }

  /** The authorities of this machine. */
  get authorities(): Description['authorities'] {
    return this.description.authorities.filter(({ mspId }) => this.holds(mspId));
  }

  /** What of the federation's services runs on this machine. */
  get services(): readonly ServicePlace[] {
    return services(this.description).filter(({ organisation }) => this.holds(organisation));
  }

  /** Roots of a member on another host. @throws DeployError NOT_AGREED */
  #elsewhere(mspId: string) {
    if (this.holds(mspId)) return undefined;
    const bundle = this.bundleOf(({ organisations }) => organisations[mspId] !== undefined, mspId);
    const { root, tlsRoot } = bundle.organisations[mspId] ?? { root: '', tlsRoot: '' };
    return { host: bundle.host, root, tlsRoot };
  }

  /** The bundle of another host that has something. @throws DeployError NOT_AGREED */
  bundleOf(has: (bundle: Agreement['bundles'][number]) => boolean, what: string): Agreement['bundles'][number] {
    const found = this.agreement?.bundles.find(has);
    if (found === undefined)
      throw new DeployError(
        'NOT_AGREED',
        `nothing is known of ${what} before the hosts agreed; see: yilian host agree`,
      );
    return found;
  }

  /** The names of everything that listens on this machine. */
  get listeners(): readonly string[] {
    const names = listenerNames(this.description, this.engines, this.contractVersions);
    return names.filter((name) => this.host === undefined || hostOf(this.description, name) === this.host);
  }

  /** Where it listens. */
  port(name: string): number {
    return this.#listener(name).port;
  }

  /** Where others reach it. */
  address(name: string): string {
    const { address, publicPort } = this.#listener(name);
    return `${address}:${publicPort}`;
  }

  url(name: string): string {
    return `http${this.#listener(name).tls === undefined ? '' : 's'}://${this.address(name)}`;
  }

  /** Where it is reached, and the interface it listens on where that is another. */
  endpoint(name: string): Endpoint {
    const { listen, port, address } = this.#listener(name);
    return { host: address, port, ...(listen !== address && { listen }) };
  }

  /** Where a service of this machine listens; its TLS certificate is issued the first time. */
  async listening(name: string): Promise<Listening> {
    const { listen, port, address, tls } = this.#listener(name);
    if (tls === undefined) return { host: listen, port };
    const service = name.split('/').slice(0, 2).join('-');
    const { certificateFile, privateKeyFile } = await this.pki.tlsCredential(tls, service, address);
    return { host: listen, port, tls: { certificateFile, privateKeyFile } };
  }

  /** The file of the TLS roots of all members, by which services of other hosts are known; none on one machine. */
  async tlsRootsFile(): Promise<string | undefined> {
    if (this.host === undefined) return undefined;
    const { authorities, regions } = this.description;
    const members = [...authorities, ...regions.flatMap(({ organisations }) => organisations)];
    const roots = await Promise.all(members.map(async ({ mspId }) => (await this.pki.tlsAuthority(mspId)).rootPem));
    const file = this.path('tls-roots.pem');
    writeWhole(file, roots.join(''));
    return file;
  }

  #listener(name: string): Listener {
    const listener = this.#parts.listeners.get(name);
    if (listener === undefined) throw new Error(`no port is laid out for ${name}`);
    return listener;
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
    const name = `${region ?? network}/peer/${peerMspId}`;
    const rootsFile = await this.pki.tlsRootsFile(peerMspId);
    const serverName = serverNameOf(this.#listener(name).address);
    return {
      address: this.address(name),
      ...(peerMspId !== mspId && { peerMspId }),
      tls: { rootsFile, serverName },
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

  /** What a network's contracts are called, and who endorses them. */
  contracts(network: string): { readonly chaincode: string; readonly endorsement: string } {
    const { members, quorum } = this.#network(network);
    const chaincode = chaincodeOf(network);
    return { chaincode, endorsement: outOf(quorum, members, 'peer') };
  }

  /** Trust roots, version 1, of a region or of the main chain. */
  async trust(network: string): Promise<Trust> {
    const { members, attesters, attestationQuorum } = this.#network(network);
    const organisations: Organisation[] = [];
    for (const mspId of members) organisations.push({ mspId, roots: [(await this.pki.authority(mspId)).rootPem] });
    return {
      network,
      channel: network,
      ...this.contracts(network),
      version: 1,
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

  /** Trustless gateways of a region's holders. */
  holders(region: RegionDescription): readonly string[] {
    return hospitals(region).map(({ mspId }) => this.url(`${region.region}/vault/${mspId}`));
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
      const quorum = majorityOf(members.length);
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

  /** The certificates of an orderer on another host. @throws DeployError NOT_AGREED */
  ordererElsewhere(name: string): OrdererCertificates {
    const { orderers } = this.bundleOf((bundle) => bundle.orderers[name] !== undefined, name);
    return orderers[name] ?? { identity: '', tls: '' };
  }

  /** The certificates of a region's relay, wherever it runs: while they are renewed, both. */
  async relayCertificates(region: RegionDescription): Promise<readonly string[]> {
    const { mspId } = commission(region);
    if (!this.holds(mspId)) {
      const { relays } = this.bundleOf((bundle) => bundle.relays[region.region] !== undefined, region.region);
      return [relays[region.region] ?? ''];
    }
    const { certificate } = await this.credential(mspId, 'relay');
    return [...new Set([certificate, this.pki.successor(mspId, 'relay') ?? certificate])];
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

import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type Tls } from '@yilian/ledger';
import type { Binaries } from './binaries.ts';
import { setRevocationLists } from './channel-config.ts';
import { updateChannel } from './channel-update.ts';
import { command } from './command.ts';
import { configtx, PROFILE } from './configtx.ts';
import { FabricError } from './errors.ts';
import { readIfThere, write, writeYaml } from './files.ts';
import {
  type Administrator,
  commitChaincodes,
  installPackage,
  joinOrderer,
  joinPeer,
  type OrdererAccess,
  ordererHeight,
  peerHeight,
  VERSION,
} from './lifecycle.ts';
import { type CredentialFiles, LOCAL_NAME, writeLocalMsp, writeOrganisationMsp, writeTls } from './msp.ts';
import { ordererConfig } from './orderer-config.ts';
import { type BuilderConfig, type ContractPackage, contractPackage } from './package.ts';
import { administratorConfig, BUILDER_VARIABLE, peerConfig } from './peer-config.ts';
import {
  addressOf,
  type Endpoint,
  type NetworkPlan,
  type OrdererPlan,
  type OrganisationPlan,
  type PeerPlan,
} from './plan.ts';

/** A process of a network. */
export interface NodeProgram {
  /** `orderer/…`, `peer/…` or `contracts/…`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `line`: prints `{"ready":true,…}`. A number: accepts connections on that port. */
  readonly ready: 'line' | number;
}

/** Configuration of `contract-main.ts`. */
export interface ContractServerConfig {
  readonly chaincodes: readonly { readonly module: string; readonly packageId: string; readonly address: string }[];
  readonly tls: CredentialFiles & { readonly roots: string };
}

/** How a client reaches a peer's gateway. */
export interface PeerAccess {
  readonly address: string;
  readonly rootsFile: string;
  readonly tls: Tls;
}

const CONTRACT_MAIN = fileURLToPath(new URL('./contract-main.ts', import.meta.url));
const READY_MS = 60_000;
const POLL_MS = 200;
/** Every contract of fabric-contract-api answers it. */
const METADATA = 'org.hyperledger.fabric:GetMetadata';

/**
 * One Fabric network on this machine, in a folder of its own: its files, its processes, and how it is brought to life.
 * All of it can be done again after any interruption.
 */
export class FabricNetwork {
  readonly plan: NetworkPlan;
  readonly #folder: string;
  readonly #binaries: Binaries;
  /** By chaincode. */
  readonly #packages: ReadonlyMap<string, ContractPackage>;

  /** Writes what the processes need: certificates, configurations, the genesis block. @throws FabricError FABRIC_COMMAND */
  static async prepare(plan: NetworkPlan, folder: string, binaries: Binaries): Promise<FabricNetwork> {
    const network = new FabricNetwork(plan, folder, binaries);
    network.#writeOrganisations();
    network.#writeOrderers();
    network.#writePeers();
    await network.#writeGenesis();
    return network;
  }

  private constructor(plan: NetworkPlan, folder: string, binaries: Binaries) {
    this.plan = plan;
    this.#folder = folder;
    this.#binaries = binaries;
    this.#packages = new Map(plan.chaincodes.map(({ name }) => [name, contractPackage(name, VERSION)]));
  }

  /** Orderers, contract servers and peers. */
  programs(): readonly NodeProgram[] {
    const { organisations, orderers } = this.plan;
    return [
      ...orderers.map((orderer) => this.#orderer(orderer)),
      ...organisations.flatMap((organisation) => this.#contracts(organisation)),
      ...organisations.flatMap((organisation) => organisation.peers.map((peer) => this.#peer(organisation, peer))),
    ];
  }

  /** Joins the nodes that run, installs, approves and commits the contracts. @throws FabricError FABRIC_COMMAND */
  async found(signal?: AbortSignal): Promise<void> {
    const packageIds = new Map([...this.#packages].map(([name, { id }]) => [name, id]));
    const wanted = [...packageIds.values()].join('\n');
    if (readIfThere(this.#founded) === wanted) return;
    const { organisations, orderers, channel } = this.plan;
    const genesis = this.#path('genesis.block');
    await Promise.all(
      orderers.map((orderer) => {
        const { certificate, privateKey, roots } = this.#administratorTls(orderer.mspId);
        const files = { certificate, privateKey, roots, genesis };
        return joinOrderer(this.#binaries, channel, addressOf(orderer.admin), files, signal);
      }),
    );
    const everyPeer = organisations.flatMap((organisation) =>
      organisation.peers.map((peer) => ({ organisation, peer })),
    );
    await Promise.all(
      everyPeer.map(async ({ organisation, peer }) => {
        const administrator = this.#administrator(organisation, peer);
        await joinPeer(administrator, genesis, signal);
        if (organisation.contracts === undefined) return;
        for (const [name, packageId] of packageIds)
          await installPackage(administrator, this.#packageFile(name), packageId, signal);
      }),
    );
    await commitChaincodes(
      this.plan,
      {
        administrators: organisations
          .filter(({ contracts }) => contracts !== undefined)
          .flatMap((organisation) =>
            organisation.peers.slice(0, 1).map((peer) => this.#administrator(organisation, peer)),
          ),
        orderer: this.#anyOrderer(),
        packageIds,
      },
      signal,
    );
    write(this.#founded, wanted);
  }

  /** Puts revocation lists (PEM) of an organisation in force, as its administrator may. @throws FabricError FABRIC_COMMAND */
  async revoke(mspId: string, crls: readonly string[], signal?: AbortSignal): Promise<void> {
    const organisation = this.#organisation(mspId);
    const [peer] = organisation.peers;
    if (peer === undefined) throw new Error(`${mspId} has no peer`);
    await updateChannel(this.#binaries, this.#folder, {
      channel: this.plan.channel,
      orderer: this.#anyOrderer(),
      administrators: [this.#administrator(organisation, peer)],
      change: (config) => setRevocationLists(config, mspId, crls),
      signal,
    });
    await this.#everywhere(signal);
  }

  /** Returns when every peer has every block there is now. @throws FabricError FABRIC_NOT_READY */
  async #everywhere(signal?: AbortSignal): Promise<void> {
    const { channel, orderers, organisations } = this.plan;
    const heights = await Promise.allSettled(
      orderers.map(({ mspId, admin }) =>
        ordererHeight(this.#binaries, channel, addressOf(admin), this.#administratorTls(mspId), signal),
      ),
    );
    const height = Math.max(...heights.map((each) => (each.status === 'fulfilled' ? each.value : 0)));
    const deadline = Date.now() + READY_MS;
    await Promise.all(
      organisations.flatMap((organisation) =>
        organisation.peers.map(async (peer) => {
          const administrator = this.#administrator(organisation, peer);
          while ((await peerHeight(administrator, channel, signal)) < height) {
            if (Date.now() > deadline)
              throw new FabricError('FABRIC_NOT_READY', `${peer.name} of ${organisation.mspId} lags behind ${channel}`);
            await delay(POLL_MS, undefined, { signal });
          }
        }),
      ),
    );
  }

  /** Returns when every organisation endorses every chaincode. @throws FabricError FABRIC_NOT_READY */
  async ready(signal?: AbortSignal): Promise<void> {
    const endorsing = this.plan.organisations.filter(({ contracts }) => contracts !== undefined);
    const [organisation] = endorsing;
    const [peer] = organisation?.peers ?? [];
    if (organisation === undefined || peer === undefined) return;
    const { address, tls } = this.access(organisation.mspId, peer.name);
    const msp = this.#path('organisations', organisation.mspId, 'admin/msp');
    using connection = connect({
      client: address,
      tls,
      identity: { mspId: organisation.mspId, certificate: readFileSync(join(msp, 'signcerts/cert.pem'), 'utf8') },
      privateKey: readFileSync(join(msp, 'keystore/key.pem'), 'utf8'),
    });
    const deadline = Date.now() + READY_MS;
    for (const { name } of this.plan.chaincodes) {
      const endorse = () =>
        connection
          .contract(this.plan.channel, name)
          .newProposal(METADATA, { endorsingOrganizations: endorsing.map(({ mspId }) => mspId) })
          .endorse();
      for (;;) {
        try {
          await endorse();
          break;
        } catch (cause) {
          if (Date.now() > deadline)
            throw new FabricError('FABRIC_NOT_READY', `${this.plan.channel} does not endorse with every organisation`, {
              cause,
            });
          await delay(POLL_MS, undefined, { signal });
        }
      }
    }
  }

  /** The way to a peer's gateway. */
  access(mspId: string, peerName: string): PeerAccess {
    const peer = this.plan.organisations
      .find((organisation) => organisation.mspId === mspId)
      ?.peers.find(({ name }) => name === peerName);
    if (peer === undefined) throw new Error(`no peer ${peerName} of ${mspId} is planned`);
    const rootsFile = this.#path('organisations', mspId, 'peers', peerName, 'tls/roots.pem');
    const { host } = peer.endpoint;
    return {
      address: addressOf(peer.endpoint),
      rootsFile,
      // RFC 6066 has no addresses as server names.
      tls: { roots: readFileSync(rootsFile, 'utf8'), ...(isIP(host) && { serverName: LOCAL_NAME }) },
    };
  }

  get #founded(): string {
    return this.#path('founded');
  }

  #packageFile(name: string): string {
    return this.#path('contracts', `${name}.tar.gz`);
  }

  #path(...parts: readonly string[]): string {
    return join(this.#folder, ...parts);
  }

  #writeOrganisations(): void {
    for (const organisation of this.plan.organisations) {
      const { mspId, contracts } = organisation;
      const folder = this.#path('organisations', mspId);
      writeOrganisationMsp(join(folder, 'msp'), organisation);
      writeLocalMsp(join(folder, 'admin/msp'), organisation, { commonName: `admin.${mspId}`, role: 'admin' });
      writeTls(join(folder, 'admin/tls'), organisation, `admin.${mspId}`, 'admin', []);
      if (contracts === undefined) continue;
      const hosts = [...new Set(Object.values(contracts).map(({ host }) => host))];
      const tls = writeTls(join(folder, 'contracts/tls'), organisation, `contracts.${mspId}`, 'client', hosts);
      const chaincodes = this.plan.chaincodes.map(({ name, module }) => ({
        module,
        packageId: this.#packages.get(name)?.id ?? '',
        address: addressOf(contracts[name] as Endpoint),
      }));
      const config: ContractServerConfig = { chaincodes, tls };
      write(join(folder, 'contracts/contracts.json'), JSON.stringify(config, null, 2));
    }
    for (const [name, { bytes }] of this.#packages) write(this.#packageFile(name), bytes);
  }

  #writeOrderers(): void {
    const roots = this.plan.organisations.map(({ mspId }) => this.#path('organisations', mspId, 'admin/tls/roots.pem'));
    for (const orderer of this.plan.orderers) {
      const { name, mspId, endpoint } = orderer;
      const folder = this.#path('orderers', name);
      const organisation = this.#organisation(mspId);
      const msp = writeLocalMsp(join(folder, 'msp'), organisation, { commonName: `${name}.${mspId}`, role: 'orderer' });
      const tls = writeTls(join(folder, 'tls'), organisation, `${name}.${mspId}`, 'orderer', [endpoint.host]);
      const data = join(folder, 'data');
      mkdirSync(data, { recursive: true, mode: 0o700 });
      writeYaml(join(folder, 'orderer.yaml'), ordererConfig(orderer, { msp, tls, roots, ownRoots: tls.roots, data }));
    }
  }

  #writePeers(): void {
    const builder = this.#writeBuilder();
    for (const organisation of this.plan.organisations) {
      const { mspId } = organisation;
      for (const peer of organisation.peers) {
        const folder = this.#path('organisations', mspId, 'peers', peer.name);
        const commonName = `${peer.name}.${mspId}`;
        const msp = writeLocalMsp(join(folder, 'msp'), organisation, { commonName, role: 'peer' });
        const tls = writeTls(join(folder, 'tls'), organisation, commonName, 'peer', [peer.endpoint.host]);
        const data = join(folder, 'data');
        mkdirSync(data, { recursive: true, mode: 0o700 });
        writeYaml(join(folder, 'core.yaml'), peerConfig(organisation, peer, { msp, tls, data, builder }));
        const admin = this.#path('organisations', mspId, 'admin/msp');
        const config = administratorConfig(mspId, admin, addressOf(peer.endpoint), tls.roots);
        writeYaml(join(folder, 'admin/core.yaml'), config);
      }
    }
  }

  /** Fabric wants its builder's programs under other names than it ships them. */
  #writeBuilder(): string {
    const builder = this.#path('builder');
    mkdirSync(join(builder, 'bin'), { recursive: true, mode: 0o700 });
    for (const step of ['detect', 'build', 'release'] as const) {
      try {
        symlinkSync(this.#binaries[`ccaas_${step}`], join(builder, 'bin', step));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    return builder;
  }

  async #writeGenesis(): Promise<void> {
    const block = this.#path('genesis.block');
    if (readIfThere(block) !== undefined) return;
    const folder = this.#path('genesis');
    const files = {
      msp: (mspId: string) => this.#path('organisations', mspId, 'msp'),
      identity: ({ name }: OrdererPlan) => this.#path('orderers', name, 'msp/signcerts/cert.pem'),
      tls: ({ name }: OrdererPlan) => this.#path('orderers', name, 'tls/cert.pem'),
    };
    writeYaml(join(folder, 'configtx.yaml'), configtx(this.plan, files));
    const fresh = `${block}.new`;
    await command(
      this.#binaries.configtxgen,
      ['-profile', PROFILE, '-channelID', this.plan.channel, '-outputBlock', fresh],
      { config: folder },
    );
    write(block, readFileSync(fresh));
  }

  #orderer({ name, endpoint }: OrdererPlan): NodeProgram {
    return {
      name: `orderer/${name}`,
      command: this.#binaries.orderer,
      args: [],
      env: { FABRIC_CFG_PATH: this.#path('orderers', name), FABRIC_LOGGING_SPEC: 'warn' },
      ready: endpoint.port,
    };
  }

  #contracts({ mspId, contracts }: OrganisationPlan): readonly NodeProgram[] {
    if (contracts === undefined) return [];
    const config = this.#path('organisations', mspId, 'contracts/contracts.json');
    const args = [CONTRACT_MAIN, config];
    return [{ name: `contracts/${mspId}`, command: process.execPath, args, env: {}, ready: 'line' }];
  }

  #peer({ mspId, contracts }: OrganisationPlan, { name, endpoint }: PeerPlan): NodeProgram {
    const folder = this.#path('organisations', mspId, 'peers', name);
    const pem = (file: string) => readFileSync(join(folder, 'tls', file), 'utf8');
    const builder: BuilderConfig | undefined = contracts && {
      addresses: Object.fromEntries(Object.entries(contracts).map(([chaincode, at]) => [chaincode, addressOf(at)])),
      roots: pem('roots.pem'),
      certificate: pem('cert.pem'),
      privateKey: pem('key.pem'),
    };
    return {
      name: `peer/${mspId}/${name}`,
      command: this.#binaries.peer,
      args: ['node', 'start'],
      env: {
        FABRIC_CFG_PATH: folder,
        FABRIC_LOGGING_SPEC: 'warn',
        ...(builder !== undefined && { [BUILDER_VARIABLE]: JSON.stringify(builder) }),
      },
      ready: endpoint.port,
    };
  }

  #administrator({ mspId }: OrganisationPlan, peer: PeerPlan): Administrator {
    const folder = this.#path('organisations', mspId, 'peers', peer.name);
    return {
      program: this.#binaries.peer,
      config: join(folder, 'admin'),
      address: addressOf(peer.endpoint),
      roots: join(folder, 'tls/roots.pem'),
    };
  }

  #administratorTls(mspId: string): CredentialFiles & { readonly roots: string } {
    const folder = this.#path('organisations', mspId, 'admin/tls');
    return {
      certificate: join(folder, 'cert.pem'),
      privateKey: join(folder, 'key.pem'),
      roots: join(folder, 'roots.pem'),
    };
  }

  #anyOrderer(): OrdererAccess {
    const [orderer] = this.plan.orderers;
    if (orderer === undefined) throw new Error(`${this.plan.channel} has no orderer`);
    return {
      address: addressOf(orderer.endpoint),
      roots: this.#path('organisations', orderer.mspId, 'admin/tls/roots.pem'),
    };
  }

  #organisation(mspId: string): OrganisationPlan {
    const found = this.plan.organisations.find((organisation) => organisation.mspId === mspId);
    if (found === undefined) throw new Error(`${mspId} is no organisation of ${this.plan.channel}`);
    return found;
  }
}

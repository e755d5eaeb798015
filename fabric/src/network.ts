import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type Tls } from '@yilian/ledger';
import type { Organisation } from '@yilian/ledger/verify';
import type { Binaries } from './binaries.ts';
import { type ExpiringCertificate, expiringOf, requireValid } from './certificates.ts';
import { committedDefinitions, definitionSteps } from './chaincode.ts';
import { type Change, type ChangeOptions, perform } from './change.ts';
import { constituencyOf, membersOf, setRevocationLists } from './channel-config.ts';
import { mspsOf } from './channel-msps.ts';
import { readConfiguration, reconfigurationStep } from './configuration.ts';
import { patiently } from './elsewhere.ts';
import { FabricError } from './errors.ts';
import { everywhere } from './everywhere.ts';
import { readIfThere, write } from './files.ts';
import { makeGenesis, requireGenesis } from './genesis.ts';
import { joinOrderer, joinPeer } from './lifecycle.ts';
import { admit, dismiss } from './membership.ts';
import { serverNameOf } from './msp.ts';
import { writeOrderers, writeOrganisations, writePeers } from './node-files.ts';
import { addOrderer, removeOrderer } from './ordering.ts';
import { requireOrderersKept, requireOwn } from './ownership.ts';
import {
  addressOf,
  type Endpoint,
  type NetworkPlan,
  type OrdererCertificates,
  type OrdererPlan,
  type OrganisationPlan,
  type PeerPlan,
  votersOf,
} from './plan.ts';
import { reconcile } from './reconciliation.ts';
import { type RenewalOptions, renewOrderer, renewOrganisation } from './renewal.ts';
import { Site } from './site.ts';
import { joinFromSnapshot, type SnapshotJoin } from './snapshot.ts';
import { until } from './until.ts';

/** A process of a network. */
export interface NodeProgram {
  /** `orderer/…`, `peer/…` or `contracts/…`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `line`: prints `{"ready":true,…}`. A number: accepts connections on that port. */
  readonly ready: 'line' | number;
  /** The address of that port; the loopback when left out. */
  readonly host?: string;
}

/** `now` as of when it is asked, unless it is said. */
export type Renewal = Omit<RenewalOptions, 'now'> & { readonly now?: number };

/** How a client reaches a peer's gateway. */
export interface PeerAccess {
  readonly address: string;
  readonly tls: Tls;
}

const CONTRACT_MAIN = fileURLToPath(new URL('./contract-main.ts', import.meta.url));
const READY_MS = 60_000;
/** How long the organisations of other machines may take to approve. */
const PATIENCE_MS = 600_000;
const POLL_MS = 200;
const ANY = '0.0.0.0';
const LOOPBACK = '127.0.0.1';
/** Every contract of fabric-contract-api answers it. */
const METADATA = 'org.hyperledger.fabric:GetMetadata';

/**
 * One Fabric network on this machine, in a folder of its own: its files, its processes, and how it is brought to life.
 * All of it can be done again after any interruption.
 */
export class FabricNetwork {
  readonly plan: NetworkPlan;
  readonly #site: Site;

  /**
   * Makes the keys of this machine's part before those of others are known, and gives what they need of it: the
   * certificates of its orderers.
   */
  static publish(plan: NetworkPlan, folder: string, binaries: Binaries): Readonly<Record<string, OrdererCertificates>> {
    const network = new FabricNetwork(plan, folder, binaries);
    writeOrganisations(network.#site);
    writeOrderers(network.#site);
    writePeers(network.#site);
    const files = network.#site.genesisFiles();
    return Object.fromEntries(
      network.#site.heldOrderers.map((orderer) => [
        orderer.name,
        { identity: readFileSync(files.identity(orderer), 'utf8'), tls: readFileSync(files.tls(orderer), 'utf8') },
      ]),
    );
  }

  /**
   * Writes what the processes need: certificates, configurations, the genesis block.
   * @throws FabricError FABRIC_COMMAND; FABRIC_CERTIFICATE naming what an orderer lost
   */
  static async prepare(plan: NetworkPlan, folder: string, binaries: Binaries): Promise<FabricNetwork> {
    const network = new FabricNetwork(plan, folder, binaries);
    requireOrderersKept(network.#site);
    writeOrganisations(network.#site);
    writeOrderers(network.#site);
    writePeers(network.#site);
    await network.#writeGenesis();
    return network;
  }

  /** Whether a block is the first of the planned channel, whoever made it: see `genesis.ts`. @throws FabricError FABRIC_GENESIS FABRIC_COMMAND */
  static async requireGenesis(plan: NetworkPlan, folder: string, binaries: Binaries, block: Uint8Array): Promise<void> {
    const network = new FabricNetwork(plan, folder, binaries);
    writeOrganisations(network.#site);
    writeOrderers(network.#site);
    await requireGenesis(network.#site, block);
  }

  private constructor(plan: NetworkPlan, folder: string, binaries: Binaries) {
    this.plan = plan;
    this.#site = new Site(plan, folder, binaries);
  }

  /** The orderers, contract servers and peers of this machine. */
  programs(): readonly NodeProgram[] {
    const { held, own, heldOrderers } = this.#site;
    return [
      ...heldOrderers.map((orderer) => this.#orderer(orderer)),
      ...held.flatMap((organisation) => this.#contracts(organisation)),
      ...own.flatMap((organisation) => organisation.peers.map((peer) => this.#peer(organisation, peer))),
    ];
  }

  /**
   * Joins the nodes that run, installs, approves and commits the contracts. Where organisations are elsewhere, each
   * machine does so for its own and waits until those of the others have; whichever finds a majority commits.
   * @throws FabricError FABRIC_COMMAND; FABRIC_APPROVALS, naming who has not approved when that took too long
   */
  async found(signal?: AbortSignal, patienceMs = PATIENCE_MS): Promise<void> {
    const wanted = this.#site.packages.map(({ id }) => id).join('\n');
    if (readIfThere(this.#founded) === wanted) return;
    const { organisations, chaincodes, channel } = this.plan;
    const { held, heldOrderers, isSpread } = this.#site;
    const genesis = this.#path('genesis.block');
    await Promise.all(
      heldOrderers.map(({ mspId, admin }) => {
        const files = { ...this.#site.administratorTls(mspId), genesis };
        return joinOrderer(this.#site.binaries, channel, addressOf(admin), files, signal);
      }),
    );
    await Promise.all(
      held.flatMap((organisation) =>
        this.#site.administrators(organisation).map((administrator) => joinPeer(administrator, genesis, signal)),
      ),
    );
    const [endorsing] = held.filter(({ contracts }) => contracts !== undefined);
    if (endorsing !== undefined) {
      const committed = await committedDefinitions(channel, this.#site.administrator(endorsing.mspId), signal);
      const constituency = { members: organisations.map(({ mspId }) => mspId), voters: votersOf(this.plan) };
      const consenting = held.map(({ mspId }) => mspId);
      for (const chaincode of chaincodes.filter(
        ({ name }) => isSpread || committed.every((each) => each.name !== name),
      ))
        await patiently(
          async () => {
            await perform(await definitionSteps(this.#site, chaincode, constituency, { consenting, signal }), {
              signal,
            });
          },
          isSpread ? patienceMs : 0,
          signal,
        );
    }
    write(this.#founded, wanted);
  }

  /** Brings the live channel to the plan: see `reconciliation.ts`. */
  reconcile(options: ChangeOptions = {}): Promise<Change> {
    return reconcile(this.#site, options);
  }

  /** Whether it was brought to life before. */
  get isFounded(): boolean {
    return readIfThere(this.#founded) !== undefined;
  }

  /** Takes an organisation into the channel: see `membership.ts`. */
  admit(mspId: string, options: ChangeOptions = {}): Promise<Change> {
    return admit(this.#site, mspId, options);
  }

  /** Takes an organisation out of the channel: see `membership.ts`. */
  dismiss(mspId: string, options: ChangeOptions = {}): Promise<Change> {
    return dismiss(this.#site, mspId, options);
  }

  /** Makes an orderer that runs a consenter: see `ordering.ts`. */
  addOrderer(name: string, options: ChangeOptions = {}): Promise<Change> {
    return addOrderer(this.#site, name, options);
  }

  /** Removes a consenter: see `ordering.ts`. */
  removeOrderer(name: string, options: ChangeOptions = {}): Promise<Change> {
    return removeOrderer(this.#site, name, options);
  }

  /** Joins a new peer by a snapshot of another of its organisation: see `snapshot.ts`. */
  joinFromSnapshot(join: SnapshotJoin, options: ChangeOptions = {}): Promise<Change> {
    return joinFromSnapshot(this.#site, join, options);
  }

  /** Certificates that have expired or will have in so many days, the first to do so first. */
  expiring(withinDays: number, now = Date.now()): readonly ExpiringCertificate[] {
    return expiringOf(this.#site.certificates(), withinDays, now);
  }

  /** To be asked before processes are started. @throws FabricError FABRIC_CERTIFICATE FABRIC_EXPIRED, naming what is wrong */
  requireValid(now = Date.now()): void {
    requireOwn(this.#site.certificates());
    requireValid(this.#site.certificates(), now);
  }

  /** Renews the certificates of an organisation's processes but its orderers: see `renewal.ts`. */
  renewOrganisation(mspId: string, options: Renewal): Promise<Change> {
    return renewOrganisation(this.#site, mspId, { now: Date.now(), ...options });
  }

  /** Renews an orderer's certificates, on the channel too: see `renewal.ts`. */
  renewOrderer(name: string, options: Renewal): Promise<Change> {
    return renewOrderer(this.#site, name, { now: Date.now(), ...options });
  }

  /**
   * Puts the planned version and policy of a chaincode in force. Contract servers of the planned version have to run at
   * those who approve; those of the one before are needed until this returns.
   * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY; FABRIC_APPROVALS when too few approve, naming who does not
   */
  async upgrade(chaincode: string, options: ChangeOptions = {}): Promise<Change> {
    const planned = this.plan.chaincodes.find(({ name }) => name === chaincode);
    if (planned === undefined)
      throw new FabricError('FABRIC_UNPLANNED', `${chaincode} is no chaincode of ${this.plan.channel}`);
    const config = await readConfiguration(this.#site, { signal: options.signal });
    const constituency = constituencyOf(config);
    const change = await perform(await definitionSteps(this.#site, planned, constituency, options), options);
    if (options.dryRun !== true) await everywhere(this.#site, constituency.members, options.signal);
    return change;
  }

  /** Puts revocation lists (PEM) of an organisation in force, as its administrator may. @throws FabricError FABRIC_COMMAND */
  async revoke(mspId: string, crls: readonly string[], signal?: AbortSignal): Promise<void> {
    const config = await readConfiguration(this.#site, { signal });
    const step = reconfigurationStep(
      this.#site,
      config,
      {
        what: `revocation lists of ${mspId}`,
        parts: [{ mspId }],
        change: (each) => setRevocationLists(each, mspId, crls),
      },
      { consenting: [mspId], signal },
    );
    await perform(step, { signal });
    await everywhere(this.#site, membersOf(config), signal);
  }

  /** What the channel's configuration knows of its members: see `channel-msps.ts`. @throws FabricError FABRIC_COMMAND FABRIC_MSP */
  async msps(signal?: AbortSignal): Promise<readonly Organisation[]> {
    return mspsOf(await readConfiguration(this.#site, { signal }));
  }

  /** Returns when every organisation of this machine endorses every chaincode. @throws FabricError FABRIC_NOT_READY */
  async ready(signal?: AbortSignal): Promise<void> {
    const endorsing = this.#site.held.filter(({ contracts }) => contracts !== undefined);
    const [organisation] = endorsing;
    const [peer] = organisation?.peers ?? [];
    if (organisation === undefined || peer === undefined) return;
    const { address, tls } = this.access(organisation.mspId, peer.name);
    const msp = join(this.#site.home(organisation.mspId), 'admin/msp');
    using connection = connect({
      client: address,
      tls,
      identity: { mspId: organisation.mspId, certificate: readFileSync(join(msp, 'signcerts/cert.pem'), 'utf8') },
      privateKey: readFileSync(join(msp, 'keystore/key.pem'), 'utf8'),
    });
    const otherwise = `${this.plan.channel} does not endorse with every organisation`;
    const passes = (): boolean => true;
    for (const { name } of this.plan.chaincodes) {
      const endorse = () =>
        connection
          .contract(this.plan.channel, name)
          .newProposal(METADATA, { endorsingOrganizations: endorsing.map(({ mspId }) => mspId) })
          .endorse();
      await until(otherwise, endorse, { withinMs: READY_MS, pollMs: POLL_MS, passes, signal });
    }
  }

  /** The way to a peer's gateway. @throws FabricError FABRIC_UNPLANNED */
  access(mspId: string, peerName: string): PeerAccess {
    const { address, roots } = this.#site.administrator(mspId, peerName);
    const serverName = serverNameOf(address.slice(0, address.lastIndexOf(':')));
    return { address, tls: { roots: readFileSync(roots, 'utf8'), serverName } };
  }

  get #founded(): string {
    return this.#path('founded');
  }

  #path(...parts: readonly string[]): string {
    return this.#site.path(...parts);
  }

  async #writeGenesis(): Promise<void> {
    const block = this.#path('genesis.block');
    if (readIfThere(block) !== undefined) return;
    const fresh = `${block}.new`;
    await makeGenesis(this.#site, fresh);
    write(block, readFileSync(fresh));
  }

  #orderer({ name, endpoint }: OrdererPlan): NodeProgram {
    return {
      name: `orderer/${name}`,
      command: this.#site.binaries.orderer,
      args: [],
      env: { FABRIC_CFG_PATH: this.#path('orderers', name), FABRIC_LOGGING_SPEC: 'warn' },
      ready: endpoint.port,
      host: reachedAt(endpoint),
    };
  }

  #contracts(organisation: OrganisationPlan): readonly NodeProgram[] {
    return this.#site.served(organisation).map(({ name, file }) => ({
      name,
      command: process.execPath,
      args: [CONTRACT_MAIN, file],
      env: {},
      ready: 'line',
    }));
  }

  #peer({ mspId }: OrganisationPlan, { name, endpoint }: PeerPlan): NodeProgram {
    return {
      name: `peer/${mspId}/${name}`,
      command: this.#site.binaries.peer,
      args: ['node', 'start'],
      env: { FABRIC_CFG_PATH: join(this.#site.home(mspId), 'peers', name), FABRIC_LOGGING_SPEC: 'warn' },
      ready: endpoint.port,
      host: reachedAt(endpoint),
    };
  }
}

/** Where this machine's own processes find what listens on all its addresses. */
function reachedAt({ host, listen = host }: Endpoint): string {
  return listen === ANY ? LOOPBACK : listen;
}

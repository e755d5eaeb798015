import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Binaries,
  type Change,
  type ChangeOptions,
  type Endpoint,
  FabricNetwork,
  type NetworkPlan,
  type OrdererCertificates,
  type OrganisationPlan,
  type PeerPlan,
  type Renewal,
} from '@yilian/fabric';
import type { Program } from './child.ts';
import { chaincodeOf, contractsOf, FIRST_VERSION, servedVersions } from './contract-versions.ts';
import { type Description, MAIN } from './description.ts';
import { DeployError } from './errors.ts';
import {
  BFT_ORDERERS,
  consentLine,
  contractPort,
  type DescribedNetwork,
  networksOf,
  ordererName,
  peerPort,
  peersOf,
} from './fabric-networks.ts';
import type { Layout } from './layout.ts';

/** When a block is cut, unless the description says. Every block costs all orderers and peers of a network signatures. */
const REGION_BATCH = { timeoutMs: 10, maxMessages: 200 };
const MAIN_BATCH = { timeoutMs: 50, maxMessages: 200 };

/** The chains of a federation as Hyperledger Fabric networks: what of them is on this machine. */
export class FabricChains {
  readonly #networks: readonly FabricNetwork[];
  readonly #layout: Layout;

  private constructor(layout: Layout, networks: readonly FabricNetwork[]) {
    this.#layout = layout;
    this.#networks = networks;
  }

  /** Writes what their processes need. @throws FabricError FABRIC_COMMAND; FABRIC_EXPIRED naming a certificate that has */
  static async prepare(layout: Layout, binaries: Binaries, { evenExpired = false } = {}): Promise<FabricChains> {
    const plans: NetworkPlan[] = [];
    // One after the other: an authority of two networks is made once.
    const before = layout.before === undefined ? [] : networksOf(layout.before);
    for (const described of networksOn(layout)) {
      const { orderers = [] } = before.find(({ name }) => name === described.name) ?? {};
      plans.push(await planOf(layout, described, orderers));
    }
    const networks = await Promise.all(
      plans.map(async (plan) => {
        const network = await FabricNetwork.prepare(plan, await folderOf(layout, plan.channel), binaries);
        if (!evenExpired) network.requireValid();
        return network;
      }),
    );
    return new FabricChains(layout, networks);
  }

  programs(): readonly Program[] {
    return this.#networks.flatMap((network) =>
      network.programs().map((program) => {
        const name = `${network.plan.channel}/${program.name}`;
        return { ...program, name, logFile: this.#layout.logFile(name) };
      }),
    );
  }

  /**
   * Brings the networks whose processes run to life; those that are on the way to another plan wait for {@link reconcile}.
   * @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY
   */
  async found(signal: AbortSignal, patienceMs?: number): Promise<void> {
    const changing = this.#layout.before !== undefined;
    await Promise.all(
      this.#networks
        .filter(({ isFounded }) => !(changing && isFounded))
        .map(async (network) => {
          await network.found(signal, patienceMs);
          await network.ready(signal);
        }),
    );
  }

  /** Brings every network to its plan. @throws FabricError as `FabricNetwork.reconcile` */
  async reconcile(signal: AbortSignal, say: (step: string) => void): Promise<void> {
    for (const network of this.#networks) {
      const { steps } = await network.reconcile({ signal });
      for (const step of steps) say(step);
      await network.ready(signal);
    }
  }

  /** Puts the version of a network's contracts in force that the layout says. @throws DeployError NAME_UNKNOWN, FabricError */
  async upgrade(name: string, options: ChangeOptions): Promise<Change> {
    const network = this.#networks.find(({ plan }) => plan.channel === name);
    if (network === undefined) throw new DeployError('NAME_UNKNOWN', `there is no network ${name}`);
    return network.upgrade(chaincodeOf(name), options);
  }

  /**
   * Renews the certificates of nodes and their administrators that expire in so many days, one process after the other;
   * `restart` is given the process's whole name.
   * @throws FabricError
   */
  async renew({ restart, ...options }: Renewal, say: (step: string) => void): Promise<readonly string[]> {
    const done: string[] = [];
    for (const network of this.#networks) {
      const { channel, organisations, orderers } = network.plan;
      const own = {
        ...options,
        restart: async (name: string): Promise<void> => {
          await restart(`${channel}/${name}`);
          // What a region's commission serves on the main chain has the same certificate.
          const alike = `${MAIN}/${name}`;
          if (name.startsWith('contracts/') && this.programs().some((each) => each.name === alike && channel !== MAIN))
            await restart(alike);
        },
      };
      const renewals = [
        ...organisations
          .filter(({ home }) => home === undefined)
          .map(
            ({ mspId }) =>
              () =>
                network.renewOrganisation(mspId, own),
          ),
        ...orderers.map(
          ({ name }) =>
            () =>
              network.renewOrderer(name, own),
        ),
      ];
      for (const renew of renewals) {
        const { steps } = await renew();
        for (const step of steps) say(`${channel}: ${step}`);
        done.push(...steps.map((step) => `${channel}: ${step}`));
      }
    }
    return done;
  }

  /** The steps that would do so, with whose consent they need. @throws FabricError as `FabricNetwork.reconcile` */
  async proposed(signal: AbortSignal): Promise<readonly string[]> {
    const lines: string[] = [];
    for (const network of this.#networks) {
      const { channel, organisations } = network.plan;
      if (!network.isFounded) {
        lines.push(`${channel} is founded by ${organisations.map(({ mspId }) => mspId).join(', ')}`);
        continue;
      }
      const { steps, consents } = await network.reconcile({ dryRun: true, signal });
      lines.push(...steps, ...consents.map(consentLine));
    }
    return lines;
  }
}

function folderOf(layout: Layout, network: string): Promise<string> {
  return layout.folder(network, 'fabric');
}

/** The networks that have members on this machine. */
function networksOn(layout: Layout): readonly DescribedNetwork[] {
  return networksOf(layout.description).filter(({ members }) => members.some((mspId) => layout.holds(mspId)));
}

/**
 * Makes the keys of this machine's orderers of the main chain, and gives what the other hosts need of them: their
 * certificates, by their names.
 */
export async function publishOrderers(
  layout: Layout,
  binaries: Binaries,
): Promise<Readonly<Record<string, OrdererCertificates>>> {
  const main = mainOf(layout.description);
  const own = (mspIds: readonly string[]) => mspIds.filter((mspId) => layout.holds(mspId));
  const described = { ...main, members: own(main.members), orderers: own(main.orderers), readers: [] };
  if (described.members.length === 0) return {};
  return FabricNetwork.publish(await planOf(layout, described, []), await folderOf(layout, MAIN), binaries);
}

/** The names of these members' orderers of the main chain. */
export function ordererNames(description: Description, members: readonly string[]): readonly string[] {
  return mainOf(description)
    .orderers.filter((mspId) => members.includes(mspId))
    .map(ordererName);
}

/** Makes the main chain's first block of what all hosts told. @throws FabricError FABRIC_COMMAND */
export async function makeGenesis(layout: Layout, binaries: Binaries): Promise<Uint8Array> {
  const file = genesisFile(layout);
  await rm(file, { force: true });
  await FabricNetwork.prepare(
    await planOf(layout, mainOf(layout.description), []),
    await folderOf(layout, MAIN),
    binaries,
  );
  return readFile(file);
}

/**
 * Whether a block is the main chain's first by what all hosts told, whoever made it.
 * @throws FabricError FABRIC_GENESIS naming where it differs first
 */
export async function requireGenesis(layout: Layout, binaries: Binaries, block: Uint8Array): Promise<void> {
  const plan = await planOf(layout, mainOf(layout.description), []);
  await FabricNetwork.requireGenesis(plan, await folderOf(layout, MAIN), binaries, block);
}

/** The file of the main chain's first block. */
export function genesisFile(layout: Layout): string {
  return layout.path(MAIN, 'fabric', 'genesis.block');
}

function mainOf(description: Description): DescribedNetwork {
  const main = networksOf(description).find(({ name }) => name === MAIN);
  if (main === undefined) throw new Error('every federation has a main chain');
  return main;
}

async function planOf(layout: Layout, described: DescribedNetwork, before: readonly string[]): Promise<NetworkPlan> {
  const { name, members, readers, orderers } = described;
  const endpoint = (what: string, mspId: string): Endpoint => layout.endpoint(`${name}/${what}/${mspId}`);
  const { chaincode, endorsement } = layout.contracts(name);
  const versions = contractsOf(layout.contractVersions, name);
  const peer = (network: string, mspId: string, own: string): PeerPlan => ({
    name: own,
    endpoint: layout.endpoint(peerPort('peer', network, mspId, own)),
    chaincode: layout.endpoint(peerPort('peer-chaincode', network, mspId, own)),
    operations: layout.endpoint(peerPort('peer-operations', network, mspId, own)),
  });
  const organisation = async (mspId: string, network: string): Promise<OrganisationPlan> => ({
    mspId,
    isElsewhere: !layout.holds(mspId),
    authority: await layout.pki.authority(mspId),
    tlsAuthority: await layout.pki.tlsAuthority(mspId),
    contracts: Object.fromEntries(
      servedVersions(versions).map((version) => [
        version === FIRST_VERSION ? chaincode : `${chaincode}_${version}`,
        layout.endpoint(contractPort(name, mspId, version)),
      ]),
    ),
    peers: peersOf(described, mspId).map((own) => peer(network, mspId, own)),
  });
  return {
    channel: name,
    consensus: orderers.length >= BFT_ORDERERS ? 'bft' : 'raft',
    batch: layout.description.block ?? (name === MAIN ? MAIN_BATCH : REGION_BATCH),
    organisations: await Promise.all([
      ...members.map((mspId) => organisation(mspId, name)),
      ...readers.map(async ({ mspId, region }) => ({
        ...(await organisation(mspId, region)),
        reads: true as const,
        ...(layout.holds(mspId) && { home: join(await folderOf(layout, region), 'organisations', mspId) }),
      })),
    ]),
    orderers: [...new Set([...orderers, ...before])].map((mspId) => ({
      name: ordererName(mspId),
      mspId,
      endpoint: endpoint('orderer', mspId),
      admin: endpoint('orderer-admin', mspId),
      operations: endpoint('orderer-operations', mspId),
      ...(!orderers.includes(mspId) && { leaves: true as const }),
      ...(!layout.holds(mspId) && { certificates: layout.ordererElsewhere(ordererName(mspId)) }),
    })),
    chaincodes: [{ name: chaincode, endorsement, ...versions }],
  };
}

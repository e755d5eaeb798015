import { join } from 'node:path';
import { type Binaries, type Endpoint, FabricNetwork, type NetworkPlan, type OrganisationPlan } from '@yilian/fabric';
import { CHAINCODE as MAIN_CHAINCODE } from '@yilian/main-chain';
import type { Program } from './child.ts';
import { MAIN } from './description.ts';
import { BFT_ORDERERS, type DescribedNetwork, networksOf } from './fabric-networks.ts';
import type { Layout } from './layout.ts';

/** When a block is cut, unless the description says. Every block costs all orderers and peers of a network signatures. */
const REGION_BATCH = { timeoutMs: 10, maxMessages: 200 };
const MAIN_BATCH = { timeoutMs: 50, maxMessages: 200 };
const CONTRACTS = {
  [MAIN]: import.meta.resolve('@yilian/main-chain/contracts'),
  region: import.meta.resolve('@yilian/regional-chain/contracts'),
};
const PEER = 'peer0';

/** The chains of a federation as Hyperledger Fabric networks, all on this machine. */
export class FabricChains {
  readonly #networks: readonly FabricNetwork[];
  readonly #layout: Layout;

  private constructor(layout: Layout, networks: readonly FabricNetwork[]) {
    this.#layout = layout;
    this.#networks = networks;
  }

  /** Writes what their processes need. @throws FabricError FABRIC_COMMAND; FABRIC_EXPIRED naming a certificate that has */
  static async prepare(layout: Layout, binaries: Binaries): Promise<FabricChains> {
    const plans: NetworkPlan[] = [];
    // One after the other: an authority of two networks is made once.
    for (const described of networksOf(layout.description)) plans.push(await planOf(layout, described));
    const networks = await Promise.all(
      plans.map(async (plan) => {
        const network = await FabricNetwork.prepare(plan, await folderOf(layout, plan.channel), binaries);
        network.requireValid();
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

  /** Brings the networks whose processes run to life. @throws FabricError FABRIC_COMMAND FABRIC_NOT_READY */
  async found(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#networks.map(async (network) => {
        await network.found(signal);
        await network.ready(signal);
      }),
    );
  }
}

function folderOf(layout: Layout, network: string): Promise<string> {
  return layout.folder(network, 'fabric');
}

async function planOf(layout: Layout, { name, members, readers, orderers }: DescribedNetwork): Promise<NetworkPlan> {
  const endpoint = (what: string, mspId: string, network = name): Endpoint => ({
    host: '127.0.0.1',
    port: layout.port(`${network}/${what}/${mspId}`),
  });
  const { chaincode, endorsement } = await layout.trust(name);
  const organisation = async (mspId: string, network: string): Promise<OrganisationPlan> => ({
    mspId,
    authority: await layout.pki.authority(mspId),
    tlsAuthority: await layout.pki.tlsAuthority(mspId),
    contracts: { [chaincode]: endpoint('contracts', mspId) },
    peers: [
      {
        name: PEER,
        endpoint: endpoint('peer', mspId, network),
        chaincode: endpoint('peer-chaincode', mspId, network),
        operations: endpoint('peer-operations', mspId, network),
      },
    ],
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
        home: join(await folderOf(layout, region), 'organisations', mspId),
      })),
    ]),
    orderers: orderers.map((mspId) => ({
      name: `orderer.${mspId}`,
      mspId,
      endpoint: endpoint('orderer', mspId),
      admin: endpoint('orderer-admin', mspId),
      operations: endpoint('orderer-operations', mspId),
    })),
    chaincodes: [
      { name: chaincode, endorsement, module: chaincode === MAIN_CHAINCODE ? CONTRACTS[MAIN] : CONTRACTS.region },
    ],
  };
}

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Binaries,
  FabricNetwork,
  type NetworkPlan,
  NodeProcesses,
  onLoopback,
  ordererPlan,
  organisationPlan,
} from '@yilian/fabric';
import { createAuthority, openClient } from '@yilian/ledger';
import { type ChainNode, type NodePlan, Peer } from './chain-node.ts';
import { processorMs } from './processor-time.ts';

export interface FabricOptions {
  readonly binaries: Binaries;
  /** Where the networks' files are put. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

/** As the product has it: only how long is waited for them is the evaluation's. */
const MAX_MESSAGES = 200;

/**
 * Chains on networks of Hyperledger Fabric, one for each plan in their order. All of their processes are on this machine:
 * peers, each organisation's contract server, orderers.
 * @throws FabricError; the signal's reason
 */
export async function openFabricNodes(
  plans: readonly NodePlan[],
  { binaries, folder, signal }: FabricOptions,
): Promise<ChainNode[]> {
  const failed = new AbortController();
  let cause: unknown;
  const stop = AbortSignal.any([failed.signal, ...(signal === undefined ? [] : [signal])]);
  const open = async (plan: NodePlan, networkPlan: NetworkPlan) => {
    try {
      return await FabricNode.open(plan, networkPlan, {
        binaries,
        folder: join(folder, networkPlan.channel),
        signal: stop,
      });
    } catch (error) {
      cause ??= error;
      failed.abort();
      throw error;
    }
  };
  const networks = await networkPlansOf(plans);
  // Most of founding one is waiting, and none is left behind when another fails.
  const settled = await Promise.allSettled(plans.map((plan, index) => open(plan, networks[index] as NetworkPlan)));
  const nodes = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  if (nodes.length === plans.length) return nodes;
  await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  signal?.throwIfAborted();
  throw cause;
}

class FabricNode implements ChainNode {
  readonly #processes: NodeProcesses;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #plan: NodePlan;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    plan: NodePlan,
    processes: NodeProcesses,
    peers: ReadonlyMap<string, Peer>,
    resources: AsyncDisposableStack,
  ) {
    this.#plan = plan;
    this.#processes = processes;
    this.#peers = peers;
    this.#resources = resources;
  }

  static async open(plan: NodePlan, networkPlan: NetworkPlan, options: FabricOptions): Promise<FabricNode> {
    const { folder, binaries, signal } = options;
    await using opened = new AsyncDisposableStack();
    await mkdir(folder, { recursive: true });
    const fabric = await FabricNetwork.prepare(networkPlan, folder, binaries);
    const processes = opened.use(new NodeProcesses(folder));
    await processes.start(fabric.programs(), signal);
    await fabric.found(signal);
    await fabric.ready(signal);
    const peers = new Map<string, Peer>();
    for (const [mspId, places] of plan.peers)
      for (const place of places) {
        const { address, tls } = fabric.access(mspId, place);
        const client = openClient(address, tls);
        opened.defer(() => client.close());
        peers.set(peerKey(mspId, place), opened.use(await Peer.watch(plan.network, mspId, client)));
      }
    return new FabricNode(plan, processes, peers, opened.move());
  }

  get peers(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  peer(mspId: string, place?: string): Peer {
    const [own = ''] = this.#plan.peers.get(mspId) ?? [];
    const peer = this.#peers.get(peerKey(mspId, place ?? own)) ?? this.#peers.get(peerKey(mspId, own));
    if (peer === undefined) throw new TypeError(`${mspId} has no peer of ${this.#plan.network.name}`);
    return peer;
  }

  cpuMs(): number {
    return this.#processes.pids.reduce((total, pid) => total + processorMs(pid), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function peerKey(mspId: string, place: string): string {
  return `${mspId}/${place}`;
}

/** Peers are called after the places they are at. */
async function networkPlansOf(plans: readonly NodePlan[]): Promise<NetworkPlan[]> {
  const members = plans.map(({ network, peers }) =>
    network.mspIds.map((mspId) => ({
      authority: network.authority(mspId),
      tlsAuthority: createAuthority({ mspId: `${mspId}-tls` }),
      chaincodes: [network.trust.chaincode],
      peers: peers.get(mspId) ?? [],
    })),
  );
  return onLoopback((next) =>
    plans.map(({ network: { name, trust }, contracts, cutMs, orderers, byzantine }, index) => ({
      channel: name,
      consensus: byzantine ? 'bft' : 'raft',
      batch: { timeoutMs: cutMs, maxMessages: MAX_MESSAGES },
      organisations: (members[index] ?? []).map((member) => organisationPlan(member, next)),
      orderers: orderers.map((mspId) => ordererPlan(`orderer.${mspId}`, mspId, next)),
      chaincodes: [{ name: trust.chaincode, endorsement: trust.endorsement, module: contracts }],
    })),
  );
}

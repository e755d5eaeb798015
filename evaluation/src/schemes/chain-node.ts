import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { type Connection, OwnView } from '@yilian/ledger';
import type { Network } from '@yilian/testbed/network';
import { Commits } from '../network/index.ts';

/** What a chain's nodes are made of. */
export interface NodePlan {
  readonly network: Network;
  /** URL of the module whose `contracts` are its contracts. */
  readonly contracts: string;
  /** The longest that the orderer waits for more transactions, milliseconds. */
  readonly cutMs: number;
  /** By organisation: the places at which it has a peer, its own first. */
  readonly peers: ReadonlyMap<string, readonly string[]>;
  /** Organisations that order. */
  readonly orderers: readonly string[];
  /** Whether they outvote a liar among them. */
  readonly byzantine: boolean;
}

/** The peers and orderers of one chain, none of which is far from another. */
export interface ChainNode extends AsyncDisposable {
  readonly peers: readonly Peer[];
  /** The peer of an organisation that its members at a place use. */
  peer(mspId: string, place?: string): Peer;
  /** Processor time of its processes so far, but for this process, milliseconds. */
  cpuMs(): number;
}

/** A peer's gateway, and when that peer committed its blocks. */
export class Peer implements AsyncDisposable {
  readonly client: GrpcClient;
  readonly commits: Commits;
  readonly #watcher: Connection;

  private constructor(client: GrpcClient, commits: Commits, watcher: Connection) {
    this.client = client;
    this.commits = commits;
    this.#watcher = watcher;
  }

  /** @param client stays its owner's */
  static async watch(network: Network, mspId: string, client: GrpcClient): Promise<Peer> {
    const watcher = network.connect(client, network.member(mspId, 'admin'));
    const height = await new OwnView(watcher, network.name).height();
    return new Peer(client, await Commits.watch(watcher, network.name, height), watcher);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.commits[Symbol.asyncDispose]();
    this.#watcher.close();
  }
}

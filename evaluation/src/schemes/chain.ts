import type { GrpcClient } from '@hyperledger/fabric-gateway';
import { type Committed, type Connection, createAttester, evaluate, OwnView, submit } from '@yilian/ledger';
import { assembleProof } from '@yilian/ledger/verify';
import { MainChain } from '@yilian/main-chain';
import type { OutcomeProof } from '@yilian/protocol';
import { RegionalChain } from '@yilian/regional-chain';
import type { Member, Network } from '@yilian/testbed/network';
import { within } from '@yilian/testbed/patience';
import { type ChainDistance, type ChainProfile, type Clock, distant } from '../network/index.ts';
import type { ChainNode } from './chain-node.ts';

export const SETTLE_MS = 30_000;

export interface ChainOptions {
  readonly network: Network;
  /** Ends with the chain. */
  readonly node: ChainNode;
  /** Organisations whose attestations make a proof. */
  readonly quorum: number;
  readonly profileAt: (place: string) => ChainProfile;
  readonly clock: Clock;
}

/** One chain, and what it looks like from each place. */
export class Chain implements AsyncDisposable {
  readonly network: Network;
  readonly #options: ChainOptions;
  readonly #resources = new AsyncDisposableStack();
  readonly #connections = new Map<string, Connection>();
  #counted = { height: 0, bytes: 0 };

  constructor(options: ChainOptions) {
    this.network = options.network;
    this.#options = options;
    this.#resources.use(options.node);
  }

  /** What gateway clients of an organisation at a place connect through. */
  clientAt(place: string, mspId: string, how: Pick<ChainDistance, 'ackAfterCommit'> = {}): GrpcClient {
    const { profileAt, clock, node } = this.#options;
    const { client, commits } = node.peer(mspId, place);
    return distant(client, { profile: profileAt(place), clock, commits, ...how });
  }

  /** @param place where the member is; without it, next to its organisation's peer */
  connect(member: Member, place?: string): Connection {
    const { mspId } = member;
    const client = place === undefined ? this.#options.node.peer(mspId).client : this.clientAt(place, mspId);
    return this.#resources.use(this.network.connect(client, member));
  }

  as(mspId: string, role: string, place?: string): RegionalChain {
    return new RegionalChain(this.#connection(mspId, role, place), this.network.name);
  }

  asMain(mspId: string, role: string, place?: string): MainChain {
    return new MainChain(this.#connection(mspId, role, place), this.network.name);
  }

  /** Commits what no typed client knows. */
  async submit(mspId: string, role: string, name: string, args: readonly string[], place?: string): Promise<void> {
    const { name: channel, trust } = this.network;
    await submit(this.#connection(mspId, role, place).contract(channel, trust.chaincode), name, args);
  }

  /** Returns when no peer is behind a committed transaction: who endorses what follows from it has to know it. */
  async everywhere({ transactionId }: Pick<Committed, 'transactionId'>): Promise<void> {
    const committed = this.#options.node.peers.map(({ commits }) => commits.committed(transactionId));
    await within(`every peer of ${this.network.name} has ${transactionId}`, SETTLE_MS, Promise.all(committed));
  }

  /** The outcome proof of a committed transaction. */
  async prove(transactionId: string): Promise<OutcomeProof> {
    const { name, mspIds } = this.network;
    const statements = await Promise.all(
      mspIds.slice(0, this.#options.quorum).map((mspId) => {
        const connection = this.#connection(mspId, 'proxy');
        const attester = createAttester({
          connection,
          ...this.network.member(mspId, 'proxy'),
          network: name,
          channel: name,
        });
        return attester.attest(transactionId, 1);
      }),
    );
    const envelope = statements[0]?.envelope ?? new Uint8Array();
    return assembleProof(
      envelope,
      statements.map(({ attestation }) => attestation),
    ) as OutcomeProof;
  }

  /** Processor time of its processes so far, but for this process, milliseconds. */
  cpuMs(): number {
    return this.#options.node.cpuMs();
  }

  /** Bytes of all blocks. */
  async bytes(): Promise<number> {
    const [first = ''] = this.network.mspIds;
    const connection = this.#connection(first, 'admin');
    const { name } = this.network;
    const to = await new OwnView(connection, name).height();
    let { height, bytes } = this.#counted;
    for (; height < to; height += 1) {
      const block = await evaluate(connection.contract(name, 'qscc'), 'GetBlockByNumber', [name, String(height)]);
      bytes += block.length;
    }
    this.#counted = { height, bytes };
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  /** One for everybody who is the same member at the same place: nobody closes it. */
  #connection(mspId: string, role: string, place?: string): Connection {
    const key = [mspId, role, place].join('/');
    const known = this.#connections.get(key) ?? this.connect(this.network.member(mspId, role), place);
    this.#connections.set(key, known);
    return known;
  }
}

import { type Connection, createAttester, evaluate, OwnView, submit } from '@yilian/ledger';
import { type EmbeddedChaincode, type EmbeddedNode, openEmbedded } from '@yilian/ledger/embedded';
import { assembleProof } from '@yilian/ledger/verify';
import { MainChain } from '@yilian/main-chain';
import type { OutcomeProof } from '@yilian/protocol';
import { RegionalChain } from '@yilian/regional-chain';
import { chaincodesOf, type Member, type Network } from '@yilian/testbed/network';
import { type ChainDistance, type ChainProfile, type Clock, Commits, distant } from '../network/index.ts';

export interface ChainOptions {
  readonly network: Network;
  /** In the place of the network's own. */
  readonly contracts?: EmbeddedChaincode['contracts'];
  /** Organisations whose attestations make a proof. */
  readonly quorum: number;
  readonly profileAt: (place: string) => ChainProfile;
  readonly clock: Clock;
}

/** One chain on an embedded node in memory, and what it looks like from each place. */
export class Chain implements AsyncDisposable {
  readonly network: Network;
  readonly #node: EmbeddedNode;
  readonly #commits: Commits;
  readonly #options: ChainOptions;
  readonly #resources: AsyncDisposableStack;
  readonly #connections = new Map<string, Connection>();
  #counted = { height: 0, bytes: 0 };

  private constructor(options: ChainOptions, node: EmbeddedNode, commits: Commits, resources: AsyncDisposableStack) {
    this.network = options.network;
    this.#options = options;
    this.#node = node;
    this.#commits = commits;
    this.#resources = resources;
  }

  static async open(options: ChainOptions): Promise<Chain> {
    const { network, contracts } = options;
    await using opened = new AsyncDisposableStack();
    const chaincode = chaincodesOf(network.config);
    const node = opened.use(
      await openEmbedded(
        { ...network.config, chaincodes: [{ ...chaincode, ...(contracts && { contracts }) }] },
        { folder: ':memory:' },
      ),
    );
    const [first = ''] = network.mspIds;
    const reader = opened.use(network.connect(node.client(), network.member(first, 'admin')));
    const commits = opened.use(await Commits.watch(reader, network.name, node.height()));
    return new Chain(options, node, commits, opened.move());
  }

  /** The longest that the orderer waits for more transactions from now on, milliseconds. */
  cutAfter(timeoutMs: number): void {
    this.#node.updateBatch({ timeoutMs });
  }

  /** What gateway clients at a place connect through. */
  clientAt(place: string, how: Pick<ChainDistance, 'ackAfterCommit'> = {}): ReturnType<EmbeddedNode['client']> {
    const { profileAt, clock } = this.#options;
    return distant(this.#node.client(), { profile: profileAt(place), clock, commits: this.#commits, ...how });
  }

  /** @param place where the member is; without it, nowhere in particular and next to everything */
  connect(member: Member, place?: string): Connection {
    const client = place === undefined ? this.#node.client() : this.clientAt(place);
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

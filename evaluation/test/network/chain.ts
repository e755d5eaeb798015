import { connect, type GrpcClient, hash } from '@hyperledger/fabric-gateway';
import {
  type Authority,
  type Connection,
  connect as connectLedger,
  createAuthority,
  createSigner,
  type Deadlines,
} from '@yilian/ledger';
import type { ConformanceNetwork, Member } from '@yilian/ledger/conformance';
import { ConformanceContract } from '@yilian/ledger/conformance-contract';
import {
  type EmbeddedConfig,
  type EmbeddedNode,
  type FollowerNode,
  openEmbedded,
  openFollower,
} from '@yilian/ledger/embedded';
import { type ChainDistance, distant } from '../../src/network/chain-distance.ts';
import { Clock } from '../../src/network/clock.ts';
import { Commits } from '../../src/network/commits.ts';

export const CHANNEL = 'records';
const MSP_IDS = ['AMSP', 'BMSP', 'CMSP'] as const;
const POLICIES = {
  any: "OR('AMSP.peer', 'BMSP.peer', 'CMSP.peer')",
  every: "AND('AMSP.peer', 'BMSP.peer', 'CMSP.peer')",
  two: "OutOf(2, 'AMSP.peer', 'BMSP.peer', 'CMSP.peer')",
};

interface Parts {
  readonly node: EmbeddedNode;
  readonly clock: Clock;
  readonly commits: Commits;
  readonly authorities: ReadonlyMap<string, Authority>;
  /** Above the third organisation's authority. */
  readonly root: Authority;
  readonly config: EmbeddedConfig;
  readonly watch: Connection;
}

/** An embedded network of three organisations, its clock, and clients at any distance. */
export class Chain implements AsyncDisposable {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  static async open(timeoutMs = 0): Promise<Chain> {
    const root = createAuthority({ mspId: 'CMSP', organisation: 'embedded' });
    const authorities = new Map(
      MSP_IDS.map((mspId): [string, Authority] => [
        mspId,
        mspId === 'CMSP'
          ? root.intermediate({ commonName: 'sub.CMSP' })
          : createAuthority({ mspId, organisation: 'embedded' }),
      ]),
    );
    const orderer = createAuthority({ mspId: 'OrdererMSP' }).issue({ commonName: 'orderer', role: 'orderer' });
    const config: EmbeddedConfig = {
      network: 'north',
      channel: CHANNEL,
      organisations: [...authorities.values()].map((authority) => ({
        mspId: authority.mspId,
        roots: [authority.rootPem],
        ...(authority.intermediates.length > 0 && { intermediates: authority.intermediates }),
        peer: authority.issue({ commonName: 'peer', role: 'peer' }),
      })),
      orderer: { mspId: 'OrdererMSP', ...orderer },
      chaincodes: Object.entries(POLICIES).map(([name, endorsement]) => ({
        name,
        version: '1.0',
        endorsement,
        contracts: [ConformanceContract],
      })),
    };
    const node = await openEmbedded(config, { folder: ':memory:', batch: { timeoutMs } });
    const watch = connection(authorities.get('AMSP') as Authority, node.client());
    const commits = await Commits.watch(watch, CHANNEL, node.height());
    return new Chain({ node, clock: await Clock.start(), commits, authorities, root, config, watch });
  }

  get node(): EmbeddedNode {
    return this.#parts.node;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get commits(): Commits {
    return this.#parts.commits;
  }

  /** The first organisation's own view, which follows through a client. */
  follower(client: GrpcClient): Promise<FollowerNode> {
    const { organisations, orderer, ...rest } = this.#parts.config;
    const config = {
      ...rest,
      organisations: organisations.map(({ peer: _, ...organisation }) => organisation),
      orderer: { mspId: orderer.mspId, certificate: orderer.certificate },
    };
    const { certificate, privateKey } = this.authority('AMSP').issue({ commonName: 'follower', role: 'client' });
    const upstream = { client, identity: { mspId: 'AMSP', certificate }, privateKey };
    return openFollower(config, { folder: ':memory:', pollMs: 50, upstream });
  }

  /** A client at a distance. */
  client(distance: Pick<ChainDistance, 'profile' | 'ackAfterCommit'>): GrpcClient {
    return distant(this.node.client(), { ...distance, clock: this.clock, commits: this.commits });
  }

  connection(client: GrpcClient, deadlines: Partial<Deadlines> = {}): Connection {
    return connection(this.authority('AMSP'), client, deadlines);
  }

  authority(mspId: string): Authority {
    return this.#parts.authorities.get(mspId) as Authority;
  }

  /** Itself for `ledgerConformance`, seen through a client. */
  conformance(client: GrpcClient): ConformanceNetwork {
    return {
      channel: CHANNEL,
      mspIds: MSP_IDS,
      chaincodes: { any: 'any', every: 'every', two: 'two' },
      member: async (mspId, attributes) => memberOf(this.authority(mspId), attributes),
      byRoot: async () => memberOf(this.#parts.root),
      stranger: async (mspId) => memberOf(createAuthority({ mspId, organisation: 'embedded' })),
      connect: (member) => connect({ client, ...member, hash: hash.none }),
      revoke: async ({ identity: { mspId, credentials } }) => {
        const authority = this.authority(mspId);
        authority.revoke(Buffer.from(credentials).toString());
        this.node.updateOrganisation({ mspId, crls: [authority.crl()] });
      },
      [Symbol.asyncDispose]: () => this[Symbol.asyncDispose](),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.commits[Symbol.asyncDispose]();
    this.#parts.watch.close();
    await this.node.close();
    await this.clock[Symbol.asyncDispose]();
  }
}

function connection(authority: Authority, client: GrpcClient, deadlines: Partial<Deadlines> = {}): Connection {
  const { certificate, privateKey } = authority.issue({ commonName: 'client', role: 'client' });
  return connectLedger({ client, identity: { mspId: authority.mspId, certificate }, privateKey, deadlines });
}

function memberOf(authority: Authority, attributes: Readonly<Record<string, string>> = {}): Member {
  const { certificate, privateKey } = authority.issue({ commonName: 'client', role: 'client', attributes });
  const sign = createSigner(privateKey);
  const identity = { mspId: authority.mspId, credentials: Buffer.from(certificate) };
  return { identity, signer: (message) => Promise.resolve(sign(message)) };
}

import {
  type Authority,
  type Committed,
  type Connection,
  type ConnectOptions,
  type Credential,
  connect,
  createAttester,
  createAuthority,
  createSigner,
} from '@yilian/ledger';
import { type EmbeddedChaincode, type EmbeddedNode, openEmbedded } from '@yilian/ledger/embedded';
import { assembleProof } from '@yilian/ledger/verify';
import { type Change, CHAINCODE as MAIN_CHAINCODE, MainChain } from '@yilian/main-chain';
import { contracts as mainContracts } from '@yilian/main-chain/contracts';
import {
  type CertificateSigner,
  type Genesis,
  type OutcomeProof,
  type RegionEntry,
  ROLE_ATTRIBUTE,
  type Trust,
} from '@yilian/protocol';
import { CHAINCODE as REGIONAL_CHAINCODE, RegionalChain } from '@yilian/regional-chain';
import { contracts as regionalContracts } from '@yilian/regional-chain/contracts';

const MAIN = 'main';

/** An identity of the testbed: certificate, key and what signs with it. */
export interface Member extends Credential, CertificateSigner {
  readonly mspId: string;
}

/** A region's organisations by what they are. */
export interface RegionMembers {
  readonly commission: string;
  readonly hospitals: readonly [string, string];
  readonly auditor: string;
}

type Contracts = EmbeddedChaincode['contracts'];
type ContractsByRegion = Readonly<Record<string, Contracts>>;

interface Network {
  readonly node: EmbeddedNode;
  readonly trust: Trust;
}

/**
 * The chains of a small federation in memory, with real contracts, certificates, endorsements and attestations, but
 * no relay, proxy or port: what tests of everything above the chains stand on.
 */
export class Testbed implements AsyncDisposable {
  readonly federation = 'yilian-test';
  readonly regions: readonly string[];
  readonly #authorities = new Map<string, Authority>();
  readonly #members = new Map<string, Member>();
  readonly #networks = new Map<string, Network>();
  readonly #connections: Connection[] = [];
  readonly #clients = new Map<string, Connection>();
  readonly #addresses = new Map<string, Promise<string>>();

  private constructor(regions: readonly string[]) {
    this.regions = regions;
  }

  /**
   * Opens and founds the chains; every region's entry is registered and mirrored everywhere. `contracts` lets a region run
   * others than the real ones: a region that lies as a whole.
   */
  static async open(
    regions: readonly string[] = ['region-a', 'region-b'],
    overrides: (entry: RegionEntry) => RegionEntry = (entry) => entry,
    contracts: ContractsByRegion = {},
  ): Promise<Testbed> {
    const testbed = await Testbed.unfounded(regions, contracts);
    await testbed.#found(overrides);
    return testbed;
  }

  /** Opens the chains as they are before anybody founds them. */
  static async unfounded(regions: readonly string[], contracts: ContractsByRegion = {}): Promise<Testbed> {
    const testbed = new Testbed(regions);
    await testbed.#openNetwork(MAIN, mainContracts);
    for (const region of regions) await testbed.#openNetwork(region, contracts[region] ?? regionalContracts);
    return testbed;
  }

  /** `region-a` has `CommissionA`, `HospitalA1`, `HospitalA2` and `AuditorA`. */
  members(region: string): RegionMembers {
    const letter = region.slice(-1).toUpperCase();
    return {
      commission: `Commission${letter}`,
      hospitals: [`Hospital${letter}1`, `Hospital${letter}2`],
      auditor: `Auditor${letter}`,
    };
  }

  get mainAuthorities(): readonly [string, string, string, string] {
    return ['Authority1', 'Authority2', 'Authority3', 'Authority4'];
  }

  authority(mspId: string): Authority {
    const authority = this.#authorities.get(mspId) ?? createAuthority({ mspId, organisation: 'embedded' });
    this.#authorities.set(mspId, authority);
    return authority;
  }

  /** The organisation's identity with this `yilian.role`; the same one for the same name. */
  member(mspId: string, role: string, name = role): Member {
    const key = `${mspId}/${role}/${name}`;
    const known = this.#members.get(key);
    if (known !== undefined) return known;
    const credential = this.authority(mspId).issue({
      commonName: name,
      role: 'client',
      attributes: { [ROLE_ATTRIBUTE]: role },
    });
    const member: Member = { mspId, ...credential, sign: createSigner(credential.privateKey) };
    this.#members.set(key, member);
    return member;
  }

  node(network: string): EmbeddedNode {
    return this.#network(network).node;
  }

  trust(network: string): Trust {
    return this.#network(network).trust;
  }

  /** A region's first entry. */
  entry(region: string): RegionEntry {
    const { certificate } = this.member(this.members(region).commission, 'relay');
    return {
      federation: this.federation,
      region,
      name: region,
      version: 1,
      trusts: [this.trust(region)],
      relays: [{ url: 'http://127.0.0.1:1', certificate }],
      holders: ['http://127.0.0.1:1'],
      frozen: false,
    };
  }

  get genesis(): Genesis {
    return { federation: this.federation, main: this.trust(MAIN) };
  }

  /** @param client default: within the process; or the address that {@link listen} gives */
  connection(
    network: string,
    member: Member,
    client: ConnectOptions['client'] = this.node(network).client(),
  ): Connection {
    const { mspId, certificate, privateKey } = member;
    const connection = connect({ client, identity: { mspId, certificate }, privateKey });
    this.#connections.push(connection);
    return connection;
  }

  /** Serves a network on a port of its own; its address (`host:port`), the same one every time. */
  listen(network: string): Promise<string> {
    const address =
      this.#addresses.get(network) ??
      this.node(network)
        .serve()
        .then((served) => served.address);
    this.#addresses.set(network, address);
    return address;
  }

  main(mspId = this.mainAuthorities[0], role = 'relay'): MainChain {
    return new MainChain(this.#client(MAIN, mspId, role), MAIN);
  }

  region(region: string, mspId: string, role: string): RegionalChain {
    return new RegionalChain(this.#client(region, mspId, role), region);
  }

  /** The outcome proof of a committed transaction, attested by as many as the policy needs. */
  async prove(
    network: string,
    { transactionId }: Pick<Committed, 'transactionId'>,
    trustRootVersion = 1,
  ): Promise<OutcomeProof> {
    const attesters =
      network === MAIN
        ? this.mainAuthorities.slice(0, 3)
        : [this.members(network).commission, this.members(network).hospitals[0]];
    const statements = await Promise.all(
      attesters.map((mspId) => {
        const member = this.member(mspId, 'proxy');
        const attester = createAttester({
          connection: this.#client(network, mspId, 'proxy'),
          mspId,
          certificate: member.certificate,
          privateKey: member.privateKey,
          network,
          channel: network,
        });
        return attester.attest(transactionId, trustRootVersion);
      }),
    );
    const [first] = statements;
    if (first === undefined) throw new Error('no attesters');
    return assembleProof(
      first.envelope,
      statements.map(({ attestation }) => attestation),
    ) as OutcomeProof;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close();
    for (const { node } of this.#networks.values()) await node.close();
  }

  /** Within the process, and one for everybody who is the same member: nobody closes it. */
  #client(network: string, mspId: string, role: string): Connection {
    const key = `${network}/${mspId}/${role}`;
    const known = this.#clients.get(key) ?? this.connection(network, this.member(mspId, role));
    this.#clients.set(key, known);
    return known;
  }

  #network(network: string): Network {
    const found = this.#networks.get(network);
    if (found === undefined) throw new Error(`the testbed has no network ${network}`);
    return found;
  }

  async #openNetwork(network: string, contracts: Contracts): Promise<void> {
    const isMain = network === MAIN;
    const { commission, hospitals, auditor } = this.members(network);
    const members = isMain ? this.mainAuthorities : [commission, ...hospitals, auditor];
    const attesters = isMain ? members : [commission, ...hospitals];
    const quorum = isMain ? 3 : 2;
    const trust: Trust = {
      network,
      channel: network,
      chaincode: isMain ? MAIN_CHAINCODE : REGIONAL_CHAINCODE,
      version: 1,
      endorsement: outOf(quorum, members, 'peer'),
      attestation: outOf(quorum, attesters, 'client'),
      attesters: { [ROLE_ATTRIBUTE]: 'proxy' },
      organisations: members.map((mspId) => ({ mspId, roots: [this.authority(mspId).rootPem] })),
      validFrom: 0,
    };
    const node = await openEmbedded(
      {
        network,
        channel: network,
        organisations: trust.organisations.map((organisation) => ({
          ...organisation,
          peer: this.authority(organisation.mspId).issue({ commonName: 'peer', role: 'peer' }),
        })),
        orderer: {
          mspId: members[0] ?? '',
          ...this.authority(members[0] ?? '').issue({ commonName: 'orderer', role: 'orderer' }),
        },
        chaincodes: [
          {
            name: trust.chaincode,
            version: '1',
            endorsement: trust.endorsement,
            contracts,
          },
        ],
      },
      { folder: ':memory:' },
    );
    this.#networks.set(network, { node, trust });
  }

  async #found(overrides: (entry: RegionEntry) => RegionEntry): Promise<void> {
    await this.main(this.mainAuthorities[0], 'admin').found(this.genesis);
    for (const region of this.regions) {
      await this.region(region, this.members(region).commission, 'admin').found(region, this.genesis);
    }
    const scopes = ['laboratory', 'imaging'].map((scope) => ({ scope, title: scope, titleZh: scope }));
    await this.change({ kind: 'scopes', entry: { version: 1, scopes } });
    for (const region of this.regions) {
      const entry = overrides(this.entry(region));
      await this.register(entry);
    }
  }

  /** Registers or changes a region's entry and mirrors it in every region. */
  async register(entry: RegionEntry): Promise<void> {
    await this.change({ kind: 'region', entry });
  }

  /** Has a majority of the authorities approve a change. */
  async approve(change: Change): Promise<Committed> {
    const [first, ...others] = this.mainAuthorities.slice(0, 3).map((mspId) => this.main(mspId, 'admin'));
    let committed = await (first as MainChain).approve(change);
    for (const authority of others) committed = await authority.approve(change);
    return committed;
  }

  /** Approves a change and mirrors it in every region. Returns its proof. */
  async change(change: Change): Promise<OutcomeProof> {
    const proof = await this.prove(MAIN, await this.approve(change));
    for (const region of this.regions)
      await this.region(region, this.members(region).commission, 'relay').mirrorChange(proof);
    return proof;
  }
}

function outOf(quorum: number, mspIds: readonly string[], role: 'peer' | 'client'): string {
  return `OutOf(${quorum}, ${mspIds.map((mspId) => `'${mspId}.${role}'`).join(', ')})`;
}

import {
  type Authority,
  type Connection,
  type ConnectOptions,
  type Credential,
  connect,
  createAuthority,
} from '@yilian/ledger';
import type { EmbeddedChaincode, EmbeddedConfig } from '@yilian/ledger/embedded';
import { CHAINCODE as MAIN_CHAINCODE } from '@yilian/main-chain';
import { contracts as mainContracts } from '@yilian/main-chain/contracts';
import { ROLE_ATTRIBUTE, type Trust } from '@yilian/protocol';
import { CHAINCODE as REGIONAL_CHAINCODE } from '@yilian/regional-chain';
import { contracts as regionalContracts } from '@yilian/regional-chain/contracts';

export const MAIN = 'main';

/** An identity: certificate and key. */
export interface Member extends Credential {
  readonly mspId: string;
}

/** A network as a chain process reads it. */
export type NetworkConfig = Omit<EmbeddedConfig, 'chaincodes'> & { readonly endorsement: string };
export interface ChainConfig extends NetworkConfig {
  readonly folder: string;
}

/** The organisations of one chain: their authorities, their identities, what proofs of the chain are checked against. */
export class Network {
  readonly name: string;
  readonly mspIds: readonly string[];
  readonly trust: Trust;
  readonly config: NetworkConfig;
  readonly #authorities: ReadonlyMap<string, Authority>;
  readonly #members = new Map<string, Member>();

  /** `quorum` organisations attest, and endorse unless a policy says who does. */
  constructor(name: string, mspIds: readonly string[], quorum: number, endorsement?: string) {
    this.name = name;
    this.mspIds = mspIds;
    this.#authorities = new Map(mspIds.map((mspId) => [mspId, createAuthority({ mspId, organisation: 'embedded' })]));
    const outOf = (role: string) => `OutOf(${quorum}, ${mspIds.map((mspId) => `'${mspId}.${role}'`).join(', ')})`;
    const organisations = mspIds.map((mspId) => ({ mspId, roots: [this.authority(mspId).rootPem] }));
    this.trust = {
      network: name,
      channel: name,
      chaincode: name === MAIN ? MAIN_CHAINCODE : REGIONAL_CHAINCODE,
      version: 1,
      endorsement: endorsement ?? outOf('peer'),
      attestation: outOf('client'),
      attesters: { [ROLE_ATTRIBUTE]: 'proxy' },
      organisations,
      validFrom: 0,
    };
    const [first = ''] = mspIds;
    this.config = {
      network: name,
      channel: name,
      endorsement: this.trust.endorsement,
      organisations: organisations.map((organisation) => ({
        ...organisation,
        peer: this.authority(organisation.mspId).issue({ commonName: 'peer', role: 'peer' }),
      })),
      orderer: { mspId: first, ...this.authority(first).issue({ commonName: 'orderer', role: 'orderer' }) },
    };
  }

  /** The organisation's identity with this `yilian.role`; the same one for the same name. */
  member(mspId: string, role: string, name = role): Member {
    const key = `${mspId}/${role}/${name}`;
    const known = this.#members.get(key);
    if (known !== undefined) return known;
    const attributes = { [ROLE_ATTRIBUTE]: role };
    const credential = this.authority(mspId).issue({ commonName: name, role: 'client', attributes });
    const member = { mspId, ...credential };
    this.#members.set(key, member);
    return member;
  }

  /** Who issues an organisation's identities. */
  authority(mspId: string): Authority {
    const authority = this.#authorities.get(mspId);
    if (authority === undefined) throw new Error(`${mspId} is not of ${this.name}`);
    return authority;
  }

  connect(client: ConnectOptions['client'], { mspId, certificate, privateKey }: Member): Connection {
    return connect({ client, identity: { mspId, certificate }, privateKey });
  }
}

/** The chaincode of a network. */
export function chaincodesOf({ network, endorsement }: NetworkConfig): EmbeddedChaincode {
  const [name, contracts] =
    network === MAIN ? [MAIN_CHAINCODE, mainContracts] : [REGIONAL_CHAINCODE, regionalContracts];
  return { name, version: '1', endorsement, contracts };
}

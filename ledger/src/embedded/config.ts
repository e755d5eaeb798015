import type { Credential } from '../ca.ts';
import { VerifyError } from '../errors.ts';
import type { Contract } from '../fabric.ts';
import { createMsp, type Identity, type Msp, type Organisation, readSerializedIdentity } from '../msp.ts';
import { type Policy, parsePolicy, principalsOf } from '../policy.ts';
import { EmbeddedError } from './errors.ts';
import { Signer } from './signer.ts';

/** One organisation: what makes a certificate its own, and the key of its peer. */
export interface EmbeddedOrganisation extends Organisation {
  readonly peer: Credential;
}

export interface EmbeddedOrderer extends Credential {
  readonly mspId: string;
  /** PEM of certificates that signed earlier blocks, for `verifyChain`. */
  readonly formerCertificates?: readonly string[];
}

/** A chaincode and the policy its writes must satisfy, in Fabric's policy language. */
export interface EmbeddedChaincode {
  readonly name: string;
  readonly version: string;
  readonly endorsement: string;
  /** The first is the default one. */
  readonly contracts: readonly (new () => Contract)[];
}

/** A network of one channel. Everything but `chaincodes[].contracts` is JSON. */
export interface EmbeddedConfig {
  readonly network: string;
  readonly channel: string;
  readonly organisations: readonly EmbeddedOrganisation[];
  readonly orderer: EmbeddedOrderer;
  readonly chaincodes: readonly EmbeddedChaincode[];
}

export interface Chaincode extends EmbeddedChaincode {
  readonly policy: Policy;
}

const NAME = /^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/;
const CHANNEL = /^[a-z][a-z0-9.-]{0,248}$/;
const SYSTEM_CHAINCODES = ['qscc', 'cscc', 'lscc', '_lifecycle'];
const MAX_ORGANISATIONS = 12;

/** The channel as it is configured now: who its members are, what runs on it. */
export class Channel {
  readonly network: string;
  readonly name: string;
  readonly orderer: Signer;
  readonly ordererCertificates: readonly string[];
  readonly chaincodes: ReadonlyMap<string, Chaincode>;
  readonly peers: ReadonlyMap<string, Signer>;
  readonly #organisations = new Map<string, EmbeddedOrganisation>();
  readonly #msps = new Map<string, Msp>();

  /** @throws EmbeddedError CONFIG_INVALID, VerifyError TRUST_INVALID or POLICY_INVALID */
  constructor(config: EmbeddedConfig, at: number) {
    const { network, channel, organisations, orderer, chaincodes } = config;
    demand(network.length > 0, 'Network has no name');
    demand(CHANNEL.test(channel), `Channel name ${channel} is not one of Fabric's`);
    demand(organisations.length > 0 && organisations.length <= MAX_ORGANISATIONS, 'Between 1 and 12 organisations');
    this.network = network;
    this.name = channel;
    this.orderer = new Signer(orderer.mspId, orderer);
    this.ordererCertificates = [orderer.certificate, ...(orderer.formerCertificates ?? [])];
    for (const organisation of organisations) {
      demand(!this.#organisations.has(organisation.mspId), `Organisation ${organisation.mspId} is listed twice`);
      this.#organisations.set(organisation.mspId, organisation);
      this.#msps.set(organisation.mspId, createMsp(organisation));
    }
    this.peers = new Map(organisations.map(({ mspId, peer }) => [mspId, new Signer(mspId, peer)]));
    for (const { mspId, identity } of this.peers.values()) {
      demand(this.identify(identity, at).roles.has('peer'), `Certificate of the peer of ${mspId} is not a peer's`);
    }
    this.chaincodes = new Map(chaincodes.map((chaincode) => [chaincode.name, this.#define(chaincode)]));
    demand(this.chaincodes.size === chaincodes.length, 'A chaincode is listed twice');
  }

  /** The organisation a serialized identity says it is of, when it is one of the channel's. */
  organisationOf(serialized: Uint8Array): string | undefined {
    try {
      const { mspId } = readSerializedIdentity(serialized);
      return this.#msps.has(mspId) ? mspId : undefined;
    } catch {
      return undefined;
    }
  }

  /** @throws VerifyError when the serialized identity is no valid member of any organisation */
  identify(serialized: Uint8Array, at: number): Identity {
    const msp = this.#msps.get(this.organisationOf(serialized) ?? '');
    if (!msp) throw new VerifyError('CERTIFICATE_UNTRUSTED', 'Not an identity of an organisation of this channel');
    return msp.identify(serialized, at);
  }

  /**
   * Takes new roots, intermediates and revocation lists of an organisation; what is left out stays.
   * @throws VerifyError TRUST_INVALID, EmbeddedError CONFIG_INVALID; then nothing has changed
   */
  update(change: Partial<Organisation> & Pick<Organisation, 'mspId'>): void {
    const organisation = this.#organisations.get(change.mspId);
    if (!organisation) throw new EmbeddedError('CONFIG_INVALID', `No organisation ${change.mspId}`);
    const updated = { ...organisation, ...change };
    this.#msps.set(change.mspId, createMsp(updated));
    this.#organisations.set(change.mspId, updated);
  }

  #define(chaincode: EmbeddedChaincode): Chaincode {
    const { name, version, endorsement, contracts } = chaincode;
    demand(NAME.test(name) && !SYSTEM_CHAINCODES.includes(name), `Chaincode name ${name} is not allowed`);
    demand(version.length > 0 && contracts.length > 0, `Chaincode ${name} has no version or no contracts`);
    const policy = parsePolicy(endorsement);
    for (const { mspId } of principalsOf(policy)) {
      demand(this.#organisations.has(mspId), `Policy of ${name} names unknown organisation ${mspId}`);
    }
    return { ...chaincode, policy };
  }
}

function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new EmbeddedError('CONFIG_INVALID', message);
}

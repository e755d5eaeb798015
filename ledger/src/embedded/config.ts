import type { Credential } from '../ca.ts';
import { type Certificate, readCertificate, readRevocationList } from '../certificate.ts';
import { VerifyError } from '../errors.ts';
import type { Contract } from '../fabric.ts';
import { createMsp, type Identity, type Msp, type Organisation, readSerializedIdentity } from '../msp.ts';
import { type Policy, parsePolicy, principalsOf } from '../policy.ts';
import { type Definition, definitionOf, encodeDefinition } from './definition.ts';
import { EmbeddedError } from './errors.ts';
import type { OrdererTrust } from './ordering.ts';

/** One organisation: what makes a certificate its own, and the key of its peer. */
export interface EmbeddedOrganisation extends Organisation {
  readonly peer: Credential;
}

/** Whose signature makes a block. */
export interface Orderer {
  readonly mspId: string;
  readonly certificate: string;
  /** PEM of certificates that signed earlier blocks. */
  readonly formerCertificates?: readonly string[];
}

export interface EmbeddedOrderer extends Orderer, Credential {}

/** A chaincode and the policy its writes must satisfy, in Fabric's policy language. */
export interface EmbeddedChaincode {
  readonly name: string;
  readonly version: string;
  readonly endorsement: string;
  /** Policies that were in force for earlier blocks: a follower takes no others from the chain. */
  readonly formerEndorsements?: readonly string[];
  /** The first is the default one. */
  readonly contracts: readonly (new () => Contract)[];
}

/** One channel as all its members know it. Everything but `chaincodes[].contracts` is JSON; nothing is secret. */
export interface ChannelConfig {
  readonly network: string;
  readonly channel: string;
  readonly organisations: readonly Organisation[];
  readonly orderer: Orderer;
  readonly chaincodes: readonly EmbeddedChaincode[];
}

/** A network of one channel with the keys of all its peers and of its orderer. */
export interface EmbeddedConfig extends ChannelConfig {
  readonly organisations: readonly EmbeddedOrganisation[];
  readonly orderer: EmbeddedOrderer;
}

const NAME = /^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/;
const CHANNEL = /^[a-z][a-z0-9.-]{0,248}$/;
const SYSTEM_CHAINCODES = ['qscc', 'cscc', 'lscc', '_lifecycle'];
const MAX_ORGANISATIONS = 24;

interface InForce {
  readonly definition: Definition;
  readonly text: string;
  readonly msps: ReadonlyMap<string, Msp>;
  readonly policies: ReadonlyMap<string, Policy>;
}

/** A channel: what is configured, and the definition in force. */
export class Channel {
  readonly network: string;
  readonly name: string;
  readonly orderer: OrdererTrust;
  readonly chaincodes: ReadonlyMap<string, EmbeddedChaincode>;
  readonly #config: ChannelConfig;
  #inForce: InForce;

  /** @throws EmbeddedError CONFIG_INVALID, VerifyError TRUST_INVALID, POLICY_INVALID or CERTIFICATE_INVALID */
  constructor(config: ChannelConfig) {
    const { network, channel, orderer, chaincodes } = config;
    for (const { name, version, contracts } of chaincodes) {
      demand(NAME.test(name) && !SYSTEM_CHAINCODES.includes(name), `Chaincode name ${name} is not allowed`);
      demand(version.length > 0 && contracts.length > 0, `Chaincode ${name} has no version or no contracts`);
    }
    this.network = network;
    this.name = channel;
    this.chaincodes = new Map(chaincodes.map((chaincode) => [chaincode.name, chaincode]));
    this.#config = config;
    this.#inForce = this.#prepare(definitionOf(config));
    const certificates = [orderer.certificate, ...(orderer.formerCertificates ?? [])].map(readCertificate);
    this.orderer = { mspId: orderer.mspId, certificates };
  }

  get definition(): Definition {
    return this.#inForce.definition;
  }

  /** The definition in force as it is recorded. */
  get recorded(): string {
    return this.#inForce.text;
  }

  policyOf(chaincode: string): Policy | undefined {
    return this.#inForce.policies.get(chaincode);
  }

  /** Whether it runs here. */
  runs(chaincode: string): boolean {
    return chaincode === 'qscc' || this.chaincodes.has(chaincode);
  }

  /** The organisation a serialized identity says it is of, when it is one of the channel's. */
  organisationOf(serialized: Uint8Array): string | undefined {
    try {
      const { mspId } = readSerializedIdentity(serialized);
      return this.#inForce.msps.has(mspId) ? mspId : undefined;
    } catch {
      return undefined;
    }
  }

  /** @throws VerifyError when the serialized identity is no valid member of any organisation */
  identify(serialized: Uint8Array, at: number): Identity {
    const msp = this.#inForce.msps.get(this.organisationOf(serialized) ?? '');
    if (!msp) throw new VerifyError('CERTIFICATE_UNTRUSTED', 'Not an identity of an organisation of this channel');
    return msp.identify(serialized, at);
  }

  /**
   * Puts a definition in force.
   * @throws VerifyError TRUST_INVALID or POLICY_INVALID, EmbeddedError CONFIG_INVALID; then nothing has changed
   */
  adopt(definition: Definition): void {
    this.#inForce = this.#prepare(definition);
  }

  /**
   * Keeps the revocation lists of a recorded definition wherever the configuration gives none, besides those of
   * intermediates that others of them revoke.
   * @throws VerifyError TRUST_INVALID when one is not by the configured authorities, or revokes a configured intermediate
   */
  keepRevocations(recorded: Definition): void {
    for (const former of recorded.organisations) {
      const { mspId } = former;
      const own = this.#config.organisations.find((organisation) => organisation.mspId === mspId);
      if (own && own.crls === undefined) this.update({ mspId, crls: listsStillOf(former, former.crls) });
    }
  }

  /**
   * Takes new roots, intermediates and revocation lists of an organisation; what is left out stays.
   * @throws VerifyError TRUST_INVALID, EmbeddedError CONFIG_INVALID; then nothing has changed
   */
  update(change: Partial<Organisation> & Pick<Organisation, 'mspId'>): void {
    const { organisations } = this.definition;
    const known = organisations.some(({ mspId }) => mspId === change.mspId);
    demand(known, `No organisation ${change.mspId}`);
    const updated = organisations.map((one) => (one.mspId === change.mspId ? { ...one, ...change } : one));
    this.adopt(definitionOf({ ...this.definition, organisations: updated }));
  }

  /**
   * Puts a definition in force that somebody else made: roots and policies must be configured here as well, while
   * intermediates and revocation lists are vouched for by the roots. No list is left out or replaced by an older one,
   * unless the intermediate that issued it is revoked itself.
   * @throws as `adopt` does
   */
  adoptForeign(definition: Definition): void {
    const { organisations, chaincodes } = this.#config;
    for (const { mspId, roots } of definition.organisations) {
      const own = organisations.find((organisation) => organisation.mspId === mspId)?.roots.map(fingerprintOf) ?? [];
      const known = roots.every((root) => own.includes(fingerprintOf(root)));
      demand(known, `A root of ${mspId} is not configured here`);
    }
    for (const { name, endorsement } of definition.chaincodes) {
      const own = chaincodes.find((chaincode) => chaincode.name === name);
      const known = [own?.endorsement, ...(own?.formerEndorsements ?? [])].includes(endorsement);
      demand(known, `The policy of chaincode ${name} is not one configured here`);
    }
    for (const former of this.definition.organisations) {
      const next = definition.organisations.find(({ mspId }) => mspId === former.mspId);
      if (next === undefined) continue;
      const lists = next.crls.map(readRevocationList);
      const kept = listsStillOf(former, next.crls)
        .map(readRevocationList)
        .every(({ issuerName, issuedAt }) =>
          lists.some((list) => list.issuerName === issuerName && list.issuedAt >= issuedAt),
        );
      demand(kept, `A revocation list of ${former.mspId} is taken back`);
    }
    this.adopt(definition);
  }

  #prepare(definition: Definition): InForce {
    const { network, channel, organisations, chaincodes } = definition;
    demand(network.length > 0 && network === this.network, 'Network has no name, or another');
    demand(CHANNEL.test(channel) && channel === this.name, `Channel name ${channel} is not one of Fabric's`);
    demand(organisations.length > 0 && organisations.length <= MAX_ORGANISATIONS, 'Between 1 and 24 organisations');
    const msps = new Map(organisations.map((organisation) => [organisation.mspId, createMsp(organisation)]));
    demand(msps.size === organisations.length, 'An organisation is listed twice');
    const policies = new Map(chaincodes.map(({ name, endorsement }) => [name, parsePolicy(endorsement)]));
    demand(policies.size === chaincodes.length, 'A chaincode is listed twice');
    for (const [name, policy] of policies) {
      for (const { mspId } of principalsOf(policy))
        demand(msps.has(mspId), `Policy of ${name} names unknown organisation ${mspId}`);
    }
    return { definition, text: encodeDefinition(definition), msps, policies };
  }
}

/**
 * An organisation's revocation lists, without those of an intermediate that is gone because one of `lists` revokes it: it
 * cannot come back, and so nobody can that it revoked.
 */
function listsStillOf(former: Definition['organisations'][number], lists: readonly string[]): readonly string[] {
  const revoking = lists.map(readRevocationList);
  const isGone = ({ issuerName, serialNumber }: Certificate) =>
    revoking.some((list) => list.issuerName === issuerName && list.serialNumbers.has(serialNumber));
  const intermediates = former.intermediates.map(readCertificate);
  const staying = [...former.roots.map(readCertificate), ...intermediates.filter((ca) => !isGone(ca))];
  // A name may be that of several.
  const names = new Set(staying.map(({ subjectName }) => subjectName));
  const gone = new Set(intermediates.map(({ subjectName }) => subjectName).filter((name) => !names.has(name)));
  return former.crls.filter((crl) => !gone.has(readRevocationList(crl).issuerName));
}

function fingerprintOf(certificate: string): string {
  return readCertificate(certificate).fingerprint;
}

function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new EmbeddedError('CONFIG_INVALID', message);
}

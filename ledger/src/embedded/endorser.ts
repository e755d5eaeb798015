import { peer } from '@hyperledger/fabric-protos';
import { type Principal, satisfies } from '../policy.ts';
import type { Channel } from './config.ts';
import type { Proposal } from './proposal.ts';
import type { ChaincodeResponse } from './runner.ts';
import type { Signer } from './signer.ts';
import { failure, type Simulated, type Simulator, succeeded } from './simulator.ts';

/** One peer's answer to a proposal. Without an endorsement the chaincode, or else the peer, refused. */
export interface PeerAnswer {
  readonly mspId: string;
  readonly response: ChaincodeResponse;
  /** Whether the chaincode ran and answered at all. */
  readonly executed: boolean;
  /** `peer.ProposalResponsePayload` */
  readonly responsePayload: Uint8Array;
  readonly endorsement: peer.Endorsement | undefined;
  /** Chaincodes whose state was touched. */
  readonly namespaces: readonly string[];
}

interface EndorserOptions {
  readonly channel: Channel;
  /** By MSP id. */
  readonly peers: ReadonlyMap<string, Signer>;
  readonly simulator: Simulator;
  readonly clock: () => number;
}

const PEER_ROLES: Principal['roles'] = new Set(['member', 'peer']);

/** The endorsing side of every organisation's peer. */
export class Endorser {
  readonly #options: EndorserOptions;
  readonly #layouts = new Map<string, readonly (readonly string[])[]>();

  constructor(options: EndorserOptions) {
    this.#options = options;
  }

  /** Runs and endorses a checked proposal at one organisation's peer. Never throws: a peer that fails says why. */
  async endorse(proposal: Proposal, mspId: string, signal: AbortSignal): Promise<PeerAnswer> {
    const simulated = await this.#options.simulator.run(proposal, mspId, signal);
    const { response, executed, simulation } = simulated;
    try {
      const namespaces = simulation.namespaces();
      const responsePayload = this.#responsePayload(proposal, simulated);
      const endorsement = succeeded(simulated) ? this.#sign(mspId, responsePayload) : undefined;
      return { mspId, response, executed, responsePayload, endorsement, namespaces };
    } catch (error) {
      const nothing = { responsePayload: new Uint8Array(), endorsement: undefined, namespaces: [] };
      return { mspId, response: failure(error), executed: false, ...nothing };
    }
  }

  /**
   * The smallest sets of organisations whose peers satisfy the policies of all these chaincodes, those with the preferred
   * one first. A peer whose certificate is revoked or expired is not counted on.
   */
  layouts(chaincodes: readonly string[], preferred: string): readonly (readonly string[])[] {
    const { channel, peers } = this.#options;
    const able = [...peers.values()].filter((signer) => this.#valid(signer.identity));
    const names = able.map(({ mspId }) => mspId);
    const key = JSON.stringify([chaincodes, names, preferred]);
    const known = this.#layouts.get(key);
    if (known) return known;
    const policies = chaincodes.map((name) => channel.policyOf(name));
    const smallest = smallestSets(names, (set) => {
      const signers = set.map((mspId): Principal => ({ mspId, roles: PEER_ROLES }));
      return policies.every((policy) => policy !== undefined && satisfies(policy, signers));
    });
    const first = (set: readonly string[]) => (set.includes(preferred) ? 0 : 1);
    const ordered = smallest.sort((a, b) => first(a) - first(b) || a.length - b.length);
    this.#layouts.set(key, ordered);
    return ordered;
  }

  #responsePayload(proposal: Proposal, { response, simulation }: Simulated): Uint8Array {
    const answer = new peer.Response();
    answer.setStatus(response.status);
    answer.setMessage(response.message);
    answer.setPayload(response.payload);
    const id = new peer.ChaincodeID();
    id.setName(proposal.chaincode);
    id.setVersion(this.#options.channel.chaincodes.get(proposal.chaincode)?.version ?? 'syscc');
    const action = new peer.ChaincodeAction();
    if (proposal.chaincode !== 'qscc') action.setResults(simulation.readWriteSet());
    if (response.event) action.setEvents(encodeEvent(proposal, response.event));
    action.setResponse(answer);
    action.setChaincodeId(id);
    const payload = new peer.ProposalResponsePayload();
    payload.setProposalHash(proposal.hash);
    payload.setExtension$(action.serializeBinary());
    return payload.serializeBinary();
  }

  #sign(mspId: string, responsePayload: Uint8Array): peer.Endorsement {
    const signer = this.#options.peers.get(mspId);
    if (!signer) throw new Error(`no peer of ${mspId}`);
    const endorsement = new peer.Endorsement();
    endorsement.setEndorser(signer.identity);
    endorsement.setSignature(signer.sign(responsePayload, signer.identity));
    return endorsement;
  }

  #valid(identity: Uint8Array): boolean {
    const { channel, clock } = this.#options;
    try {
      return channel.identify(identity, clock()).roles.has('peer');
    } catch {
      return false;
    }
  }
}

function encodeEvent(proposal: Proposal, { name, payload }: NonNullable<ChaincodeResponse['event']>): Uint8Array {
  const event = new peer.ChaincodeEvent();
  event.setChaincodeId(proposal.chaincode);
  event.setTxId(proposal.txId);
  event.setEventName(name);
  event.setPayload(payload);
  return event.serializeBinary();
}

/** The sets that suffice and of which no part does. What suffices is not made larger, so few are looked at where few suffice. */
function smallestSets(names: readonly string[], suffices: (set: readonly string[]) => boolean): string[][] {
  const found: string[][] = [];
  let open: string[][] = [[]];
  while (open.length > 0) {
    const larger = open.flatMap((set) =>
      names.slice(names.indexOf(set.at(-1) ?? '') + 1).map((name) => [...set, name]),
    );
    const fresh = larger.filter((set) => !found.some((known) => known.every((name) => set.includes(name))));
    const enough = new Set(fresh.filter(suffices));
    found.push(...enough);
    open = fresh.filter((set) => !enough.has(set));
  }
  return found;
}

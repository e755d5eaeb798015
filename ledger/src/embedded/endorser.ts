import { peer } from '@hyperledger/fabric-protos';
import { type Principal, satisfies } from '../policy.ts';
import type { Channel } from './config.ts';
import { checkProposal, type Proposal } from './proposal.ts';
import { queryLedger } from './qscc.ts';
import type { ChaincodeResponse, Runner } from './runner.ts';
import { Simulation } from './simulation.ts';
import type { Store } from './store.ts';

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

const PEER_ROLES: Principal['roles'] = new Set(['member', 'peer']);
/** Chaincode statuses below this are endorsed. */
const ERROR_THRESHOLD = 400;

/** The endorsing side of every organisation's peer. */
export class Endorser {
  readonly #channel: Channel;
  readonly #store: Store;
  readonly #runner: Runner;
  readonly #clock: () => number;
  readonly #layouts = new Map<string, readonly (readonly string[])[]>();

  constructor(channel: Channel, store: Store, runner: Runner, clock: () => number) {
    this.#channel = channel;
    this.#store = store;
    this.#runner = runner;
    this.#clock = clock;
  }

  /** @throws Error when the proposal is not one a peer would run */
  check(proposal: Proposal): void {
    checkProposal(proposal, this.#channel, this.#clock());
    if (this.#store.transaction(proposal.txId)) {
      const creator = Buffer.from(proposal.creator).toString('hex');
      throw new Error(`duplicate transaction found [${proposal.txId}]. Creator [${creator}]`);
    }
  }

  /** Runs and endorses a checked proposal at one organisation's peer. Never throws: a peer that fails says why. */
  async endorse(proposal: Proposal, mspId: string, signal: AbortSignal): Promise<PeerAnswer> {
    const simulation = new Simulation(this.#store, proposal.txId);
    try {
      const response = await this.#run(proposal, mspId, simulation, signal);
      const namespaces = simulation.namespaces();
      const responsePayload = this.#responsePayload(proposal, response, simulation.readWriteSet());
      const endorsed = response.status >= 200 && response.status < ERROR_THRESHOLD;
      const endorsement = endorsed ? this.#sign(mspId, responsePayload) : undefined;
      return { mspId, response, executed: true, responsePayload, endorsement, namespaces };
    } catch (error) {
      const message = `error in simulation: ${(error as Error).message}`;
      const response = { status: 500, message, payload: new Uint8Array(), event: undefined };
      const nothing = { responsePayload: new Uint8Array(), endorsement: undefined, namespaces: [] };
      return { mspId, response, executed: false, ...nothing };
    }
  }

  /**
   * The smallest sets of organisations whose peers satisfy the policies of all these chaincodes, those with the preferred
   * one first. A peer whose certificate is revoked or expired is not counted on.
   */
  layouts(chaincodes: readonly string[], preferred: string): readonly (readonly string[])[] {
    const able = [...this.#channel.peers.values()].filter((signer) => this.#valid(signer.identity));
    const names = able.map(({ mspId }) => mspId);
    const key = JSON.stringify([chaincodes, names, preferred]);
    const known = this.#layouts.get(key);
    if (known) return known;
    const policies = chaincodes.map((name) => this.#channel.chaincodes.get(name)?.policy);
    const sets = subsets(names).filter((set) => {
      const signers = set.map((mspId): Principal => ({ mspId, roles: PEER_ROLES }));
      return policies.every((policy) => policy !== undefined && satisfies(policy, signers));
    });
    const smallest = sets.filter(
      (set) => !sets.some((other) => other !== set && other.every((one) => set.includes(one))),
    );
    const first = (set: readonly string[]) => (set.includes(preferred) ? 0 : 1);
    const ordered = smallest.sort((a, b) => first(a) - first(b) || a.length - b.length);
    this.#layouts.set(key, ordered);
    return ordered;
  }

  async #run(
    proposal: Proposal,
    mspId: string,
    simulation: Simulation,
    signal: AbortSignal,
  ): Promise<ChaincodeResponse> {
    const { chaincode } = proposal;
    if (chaincode !== 'qscc') return this.#runner.execute({ chaincode, proposal, mspId, simulation, signal });
    return queryLedger(this.#store, this.#channel.name, proposal.input.getArgsList_asU8());
  }

  #responsePayload(proposal: Proposal, response: ChaincodeResponse, readWriteSet: Uint8Array): Uint8Array {
    const answer = new peer.Response();
    answer.setStatus(response.status);
    answer.setMessage(response.message);
    answer.setPayload(response.payload);
    const id = new peer.ChaincodeID();
    id.setName(proposal.chaincode);
    id.setVersion(this.#channel.chaincodes.get(proposal.chaincode)?.version ?? 'syscc');
    const action = new peer.ChaincodeAction();
    if (proposal.chaincode !== 'qscc') action.setResults(readWriteSet);
    if (response.event) action.setEvents(encodeEvent(proposal, response.event));
    action.setResponse(answer);
    action.setChaincodeId(id);
    const payload = new peer.ProposalResponsePayload();
    payload.setProposalHash(proposal.hash);
    payload.setExtension$(action.serializeBinary());
    return payload.serializeBinary();
  }

  #sign(mspId: string, responsePayload: Uint8Array): peer.Endorsement {
    const signer = this.#channel.peers.get(mspId);
    if (!signer) throw new Error(`no peer of ${mspId}`);
    const endorsement = new peer.Endorsement();
    endorsement.setEndorser(signer.identity);
    endorsement.setSignature(signer.sign(responsePayload, signer.identity));
    return endorsement;
  }

  #valid(identity: Uint8Array): boolean {
    try {
      return this.#channel.identify(identity, this.#clock()).roles.has('peer');
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

/** All subsets but the empty one, in the order of the names. */
function subsets(names: readonly string[]): string[][] {
  return Array.from({ length: 2 ** names.length - 1 }, (_, i) => names.filter((_name, bit) => ((i + 1) >> bit) & 1));
}

import type { status } from '@grpc/grpc-js';
import type { Channel } from './config.ts';
import { expired, RpcError } from './errors.ts';
import { checkProposal, type Proposal } from './proposal.ts';
import { queryLedger } from './qscc.ts';
import type { ChaincodeResponse, Runner } from './runner.ts';
import { Simulation } from './simulation.ts';
import type { StateLock } from './state-lock.ts';
import type { Store } from './store.ts';

/** What a chaincode answered, and the reads and writes behind it. */
export interface Simulated {
  readonly response: ChaincodeResponse;
  /** Whether the chaincode ran and answered at all. */
  readonly executed: boolean;
  readonly simulation: Simulation;
}

interface SimulatorOptions {
  readonly channel: Channel;
  readonly store: Store;
  readonly lock: StateLock;
  readonly runner: Runner;
  readonly clock: () => number;
}

/** Runs chaincodes on the committed state, writing nothing. */
export class Simulator {
  readonly #options: SimulatorOptions;

  constructor(options: SimulatorOptions) {
    this.#options = options;
  }

  /** Why a peer would not run this proposal, in Fabric's words. */
  refusal(proposal: Proposal): string | undefined {
    const { channel, clock, store } = this.#options;
    try {
      checkProposal(proposal, channel, clock());
    } catch (error) {
      return (error as Error).message;
    }
    if (!store.transaction(proposal.txId)) return undefined;
    const creator = Buffer.from(proposal.creator).toString('hex');
    return `duplicate transaction found [${proposal.txId}]. Creator [${creator}]`;
  }

  /**
   * Keeps the state as it is while something is simulated.
   * @throws RpcError with `expiry` when the caller's time was over first
   */
  async hold<T>(signal: AbortSignal, expiry: string, run: () => Promise<T>): Promise<T> {
    const release = await this.#options.lock.read();
    try {
      if (signal.aborted) throw expired(signal, expiry);
      const result = await run();
      if (signal.aborted) throw expired(signal, expiry);
      return result;
    } catch (error) {
      throw signal.aborted ? expired(signal, expiry) : error;
    } finally {
      release();
    }
  }

  /** Runs a checked proposal for one organisation's peer. Never throws: what fails says why. */
  async run(proposal: Proposal, mspId: string, signal: AbortSignal): Promise<Simulated> {
    const { channel, runner, store } = this.#options;
    const { chaincode } = proposal;
    const simulation = new Simulation(store, proposal.txId);
    try {
      const response =
        chaincode === 'qscc'
          ? queryLedger(store, channel.name, proposal.input.getArgsList_asU8())
          : await runner.execute({ chaincode, proposal, mspId, simulation, signal });
      return { response, executed: true, simulation };
    } catch (error) {
      return { response: failure(error), executed: false, simulation };
    }
  }
}

/** Chaincode statuses from 200 on, below this, are successes. */
const ERROR_THRESHOLD = 400;

/** What a peer answers in place of a chaincode that did not. */
export function failure(error: unknown): ChaincodeResponse {
  const message = `error in simulation: ${(error as Error).message}`;
  return { status: 500, message, payload: new Uint8Array(), event: undefined };
}

export function succeeded({ response }: Pick<Simulated, 'response'>): boolean {
  return response.status >= 200 && response.status < ERROR_THRESHOLD;
}

/** @throws RpcError unless the proposal is one for this channel */
export function requireChannel(proposal: Proposal, channel: Channel, code: status): Proposal {
  if (proposal.channel === channel.name) return proposal;
  throw new RpcError(code, `channel '${proposal.channel}' not found`);
}

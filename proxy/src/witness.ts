import { type Attester, type Connection, createAttester, LedgerError, OwnView } from '@yilian/ledger';
import type { Attestation } from '@yilian/protocol';
import type { Static } from 'typebox';
import { ProxyError } from './errors.ts';

type Contract = ReturnType<Connection['contract']>;

/** How long an order waits for its transaction to be committed; a relay gives up after five seconds. */
const COMMIT_WAIT_MS = 4_000;

export interface WitnessOptions {
  readonly connection: Connection;
  readonly privateKey: string;
  readonly network: string;
  readonly channel: string;
  /** Version of the network's trust roots in force. */
  readonly trustVersion: () => Promise<number>;
}

/** Says what the own organisation's peers have committed on a channel. */
export class Witness {
  readonly #view: OwnView;
  readonly #trustVersion: () => Promise<number>;
  readonly #attester: Attester;
  #version = 0;

  constructor({ connection, privateKey, network, channel, trustVersion }: WitnessOptions) {
    this.#view = new OwnView(connection, channel);
    this.#trustVersion = trustVersion;
    this.#attester = createAttester({
      connection,
      mspId: connection.mspId,
      certificate: connection.certificate,
      privateKey,
      network,
      channel,
      trustRootVersion: () => this.#version,
      waitMs: COMMIT_WAIT_MS,
    });
  }

  /** States that a transaction is committed valid, once it is. @throws NOT_COMMITTED TRANSACTION_INVALID LedgerError */
  async attest(transactionId: string): Promise<Static<typeof Attestation>> {
    this.#version = await this.#trustVersion();
    try {
      return (await this.#attester.attest(transactionId)).attestation;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      if (error.stage === 'validate')
        throw new ProxyError('TRANSACTION_INVALID', `committed as ${error.code}`, { cause: error });
      if (error.code === 'DEADLINE')
        throw new ProxyError('NOT_COMMITTED', 'the own peer has not committed the transaction', { cause: error });
      throw error;
    }
  }

  /** Number of blocks. */
  height(): Promise<number> {
    return this.#view.height();
  }
}

/** The connection with its evaluations bound to the own organisation's peers, so that no other's view is read. */
export function boundToOwnPeers(connection: Connection): Connection {
  const { mspId } = connection;
  return {
    ...connection,
    contract: (channel, chaincode, name) => bound(connection.contract(channel, chaincode, name), mspId),
  };
}

function bound(contract: Contract, mspId: string): Contract {
  const evaluateThere: Contract['evaluate'] = (name, options) =>
    contract.evaluate(name, { ...options, endorsingOrganizations: [mspId] });
  return new Proxy(contract, {
    get(target, key) {
      if (key === 'evaluate') return evaluateThere;
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

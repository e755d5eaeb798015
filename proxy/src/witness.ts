import { type Attester, type Connection, createAttester, LedgerError, OwnView } from '@yilian/ledger';
import type { Attestation } from '@yilian/protocol';
import type { Static } from '@yilian/schema';
import { ProxyError } from './errors.ts';

/** How long an order waits for its transaction to be committed; a relay gives up after five seconds. */
const COMMIT_WAIT_MS = 4_000;

export interface WitnessOptions {
  readonly connection: Connection;
  readonly privateKey: string;
  readonly network: string;
  readonly channel: string;
  /** Version of the network's trust roots in force. */
  readonly trustVersion: (asked?: number) => Promise<number>;
}

/** Says what the own organisation's peers have committed on a channel. */
export class Witness {
  readonly #view: OwnView;
  readonly #trustVersion: WitnessOptions['trustVersion'];
  readonly #attester: Attester;

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
      waitMs: COMMIT_WAIT_MS,
    });
  }

  /** States that a transaction is committed valid, once it is. @throws NOT_COMMITTED TRANSACTION_INVALID TRUST_EXPIRED LedgerError */
  async attest(transactionId: string, asked?: number): Promise<Static<typeof Attestation>> {
    const trustRootVersion = await this.#trustVersion(asked);
    try {
      return (await this.#attester.attest(transactionId, trustRootVersion)).attestation;
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

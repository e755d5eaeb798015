import { common } from '@hyperledger/fabric-protos';
import { type BlockTransaction, findTransaction } from './block.ts';
import { evaluate } from './call.ts';
import type { Connection } from './connect.ts';

/** What the connection's peer has committed on a channel, read through Fabric's qscc. */
export class OwnView {
  readonly #connection: Connection;
  readonly #channel: string;

  constructor(connection: Connection, channel: string) {
    this.#connection = connection;
    this.#channel = channel;
  }

  /** @throws LedgerError for an unknown transaction */
  async transaction(transactionId: string): Promise<BlockTransaction> {
    return findTransaction(await this.#query('GetBlockByTxID', transactionId), transactionId);
  }

  /** Number of blocks. @throws LedgerError */
  async height(): Promise<number> {
    return common.BlockchainInfo.deserializeBinary(await this.#query('GetChainInfo')).getHeight();
  }

  #query(name: string, ...args: readonly string[]): Promise<Uint8Array> {
    const contract = this.#connection.contract(this.#channel, 'qscc');
    return evaluate(contract, name, [this.#channel, ...args]);
  }
}

import { type BlockTransaction, type Connection, evaluate, findTransaction } from '@yilian/ledger';

/** What the own organisation's peer has committed on a channel. */
export class OwnView {
  readonly #connection: Connection;
  readonly #channel: string;

  constructor(connection: Connection, channel: string) {
    this.#connection = connection;
    this.#channel = channel;
  }

  /** @throws LedgerError for an unknown transaction */
  async transaction(transactionId: string): Promise<BlockTransaction> {
    return findTransaction(await this.#query('GetBlockByTxID', [this.#channel, transactionId]), transactionId);
  }

  /** Number of blocks. */
  async height(): Promise<number> {
    return heightOf(await this.#query('GetChainInfo', [this.#channel]));
  }

  #query(name: string, args: readonly string[]): Promise<Uint8Array> {
    const contract = this.#connection.contract(this.#channel, 'qscc');
    return evaluate(contract, name, args, { organisations: [this.#connection.mspId] });
  }
}

/** First field of `common.BlockchainInfo`: `uint64 height`. */
function heightOf(bytes: Uint8Array): number {
  if (bytes[0] !== 0x08) throw new TypeError('no chain info');
  let height = 0;
  for (let index = 1, factor = 1; index < bytes.length && index < 9; index += 1, factor *= 128) {
    const byte = bytes[index] as number;
    height += (byte & 0x7f) * factor;
    if (byte < 0x80) return height;
  }
  throw new TypeError('no chain info');
}

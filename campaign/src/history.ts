import { common, ledger, peer } from '@hyperledger/fabric-protos';
import { type Connection, OwnView } from '@yilian/ledger';
import { CampaignError } from './errors.ts';

/** One transaction as its block has it, valid or not. */
export interface Transaction {
  readonly block: number;
  readonly position: number;
  readonly transactionId: string;
  /** Fabric's `TxValidationCode` is 0. */
  readonly valid: boolean;
  /** `Contract:function`. */
  readonly function: string;
  readonly args: readonly string[];
  /** What the contract returned. */
  readonly result: string;
  readonly event?: { readonly name: string; readonly payload: string };
  readonly writes: readonly Write[];
}

/** `null` when the key was deleted. Composite keys keep their zero bytes. */
export interface Write {
  readonly key: string;
  readonly value: string | null;
}

/** A ledger's transactions in their order. */
export type History = readonly Transaction[];

const FILTER = common.BlockMetadataIndex.TRANSACTIONS_FILTER;
const text = new TextDecoder();

/**
 * Reads a chain's blocks from its peer, and nothing from any service: each time what is new, behind the last block it saw,
 * which must still be there.
 */
export class LedgerReader {
  readonly #transactions: Transaction[] = [];
  #height = 0;
  #last = '';

  /** @throws LEDGER_LOST, LedgerError */
  async read(connection: Connection, channel: string): Promise<History> {
    const height = await new OwnView(connection, channel).height();
    if (height < this.#height)
      throw new CampaignError('LEDGER_LOST', `${channel} lost blocks: ${height} of ${this.#height}`);
    const from = Math.max(0, this.#height - 1);
    const blocks = await connection.network(channel).getBlockEvents({ startBlock: BigInt(from) });
    try {
      for await (const block of blocks) {
        const number = block.getHeader()?.getNumber() ?? -1;
        const hash = Buffer.from(block.getHeader()?.getDataHash_asU8() ?? []).toString('hex');
        if (number === this.#height - 1 && hash !== this.#last)
          throw new CampaignError('LEDGER_LOST', `${channel} changed block ${number}`);
        if (number >= this.#height) {
          this.#transactions.push(...transactionsOf(block, number));
          this.#height = number + 1;
          this.#last = hash;
        }
        if (number >= height - 1) break;
      }
    } finally {
      blocks.close();
    }
    return [...this.#transactions];
  }
}

function transactionsOf(block: common.Block, number: number): Transaction[] {
  const codes = block.getMetadata()?.getMetadataList_asU8()[FILTER] ?? new Uint8Array();
  const envelopes = block.getData()?.getDataList_asU8() ?? [];
  return envelopes.map((bytes, position) => ({
    block: number,
    position,
    valid: codes[position] === peer.TxValidationCode.VALID,
    ...readEnvelope(bytes),
  }));
}

function readEnvelope(bytes: Uint8Array): Omit<Transaction, 'block' | 'position' | 'valid'> {
  const payload = common.Payload.deserializeBinary(common.Envelope.deserializeBinary(bytes).getPayload_asU8());
  const header = common.ChannelHeader.deserializeBinary(payload.getHeader()?.getChannelHeader_asU8() ?? bytes);
  const [endorsed] = peer.Transaction.deserializeBinary(payload.getData_asU8()).getActionsList();
  const action = peer.ChaincodeActionPayload.deserializeBinary(endorsed?.getPayload_asU8() ?? bytes);
  const proposal = peer.ChaincodeProposalPayload.deserializeBinary(action.getChaincodeProposalPayload_asU8());
  const spec = peer.ChaincodeInvocationSpec.deserializeBinary(proposal.getInput_asU8()).getChaincodeSpec();
  const [name = '', ...args] = (spec?.getInput()?.getArgsList_asU8() ?? []).map((arg) => text.decode(arg));
  const response = peer.ProposalResponsePayload.deserializeBinary(
    action.getAction()?.getProposalResponsePayload_asU8() ?? bytes,
  );
  const done = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8());
  const event = peer.ChaincodeEvent.deserializeBinary(done.getEvents_asU8());
  return {
    transactionId: header.getTxId(),
    function: name,
    args,
    result: text.decode(done.getResponse()?.getPayload_asU8()),
    ...(event.getEventName() === ''
      ? {}
      : { event: { name: event.getEventName(), payload: text.decode(event.getPayload_asU8()) } }),
    writes: ledger.rwset.TxReadWriteSet.deserializeBinary(done.getResults_asU8())
      .getNsRwsetList()
      .flatMap((namespace) =>
        ledger.rwset.kvrwset.KVRWSet.deserializeBinary(namespace.getRwset_asU8())
          .getWritesList()
          .map((write) => ({
            key: write.getKey(),
            value: write.getIsDelete() ? null : text.decode(write.getValue_asU8()),
          })),
      ),
  };
}

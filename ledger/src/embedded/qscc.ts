import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { common } from '@hyperledger/fabric-protos';
import { assembleBlock, decodeHeader } from './block.ts';
import type { ChaincodeResponse } from './runner.ts';
import type { BlockRecord, Store } from './store.ts';

/** Fabric's system chaincode that reads the ledger itself: same functions, bytes and words. */
export function queryLedger(store: Store, channel: string, args: readonly Uint8Array[]): ChaincodeResponse {
  const [name = '', ledger = '', ...rest] = args.map((arg) => Buffer.from(arg).toString());
  if (args.length < 2) return refused(`Incorrect number of arguments, ${args.length}`);
  if (name !== 'GetChainInfo' && rest.length < 1) return refused(`missing 3rd argument for ${name}`);
  if (ledger !== channel) return refused(`Invalid chain ID, ${ledger}`);
  const [key = ''] = rest;
  switch (name) {
    case 'GetChainInfo':
      return answered(chainInfo(store));
    case 'GetBlockByNumber': {
      if (!/^\d{1,20}$/.test(key)) {
        return refused(`Failed to parse block number with error strconv.ParseUint: parsing "${key}": invalid syntax`);
      }
      const number = BigInt(key) === 2n ** 64n - 1n ? store.height() - 1 : Number(key);
      const block = Number.isSafeInteger(number) ? store.block(number) : undefined;
      return blockOr(store, block, `Failed to get block number ${key}, error no such block number [${key}] in index`);
    }
    case 'GetBlockByHash': {
      const hash = args[2] as Uint8Array;
      const hex = Buffer.from(hash).toString('hex');
      return blockOr(
        store,
        store.blockByHash(hash),
        `Failed to get block hash ${hex}, error no such block hash [${hex}] in index`,
      );
    }
    case 'GetBlockByTxID': {
      const transaction = store.transaction(key);
      const block = transaction && store.block(transaction.block);
      return blockOr(
        store,
        block,
        `Failed to get block for txID ${key}, error no such transaction ID [${key}] in index`,
      );
    }
    case 'GetTransactionByID':
      return processed(store, key);
    default:
      return refused(`access denied for [${name}][${channel}]: [Unmapped policy for qscc/${name}]`);
  }
}

function chainInfo(store: Store): Uint8Array {
  const height = store.height();
  const last = store.block(height - 1);
  const info = new common.BlockchainInfo();
  info.setHeight(height);
  if (last) {
    info.setCurrentblockhash(last.hash);
    info.setPreviousblockhash(decodeHeader(last.header).previousHash);
  }
  return info.serializeBinary();
}

/** `peer.ProcessedTransaction` with the envelope's own bytes. */
function processed(store: Store, txId: string): ChaincodeResponse {
  const transaction = store.transaction(txId);
  if (!transaction) {
    return refused(`Failed to get transaction with id ${txId}, error no such transaction ID [${txId}] in index`);
  }
  const { envelope, code } = transaction;
  return answered(new BinaryWriter().tag(1, 2).bytes(envelope).tag(2, 0).int32(code).finish());
}

function blockOr(store: Store, block: BlockRecord | undefined, message: string): ChaincodeResponse {
  return block ? answered(assembleBlock(block, store.transactionsOf(block.number))) : refused(message);
}

function answered(payload: Uint8Array): ChaincodeResponse {
  return { status: 200, message: '', payload, event: undefined };
}

function refused(message: string): ChaincodeResponse {
  return { status: 500, message, payload: new Uint8Array(), event: undefined };
}

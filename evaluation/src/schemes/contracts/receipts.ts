import { ChainContract, type Context, putJson } from '@yilian/ledger/contract';

/** A receipt of every question between regions, which the federation does without. */
export class Receipts extends ChainContract {
  constructor() {
    super('Receipts');
  }

  async note(ctx: Context, digest: string): Promise<void> {
    await putJson(ctx, ctx.stub.createCompositeKey('receipt', [digest]), { digest });
  }
}

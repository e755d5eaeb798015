import { type Context, Contract, refuse } from '@yilian/ledger/contract';

/** What every contract of this chain has in common: one name for each function, a code for each refusal. */
export abstract class ChainContract extends Contract {
  /** The router takes other spellings of a name too, which no verifier of an outcome proof would accept. */
  override async beforeTransaction(ctx: Context): Promise<void> {
    const [called] = ctx.stub.getArgs();
    if (!new RegExp(`^${this.getName()}:[A-Za-z]+$`).test(called ?? ''))
      refuse('FUNCTION_UNKNOWN', 'a function is called as Contract:function');
  }

  override async aroundTransaction(
    ctx: Context,
    fn: (...args: unknown[]) => unknown,
    parameters: unknown,
  ): Promise<void> {
    try {
      // Declared without a result, which it has.
      return (await (super.aroundTransaction(ctx, fn, parameters) as Promise<unknown>)) as undefined;
    } catch (error) {
      throw coded(error);
    }
  }

  override async unknownTransaction(_ctx: Context): Promise<void> {
    refuse('FUNCTION_UNKNOWN', 'no such function');
  }
}

/** Puts the code of an error before its message, where clients look for it. */
function coded(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return error;
  return error.message.startsWith(`${error.code}: `)
    ? error
    : new Error(`${error.code}: ${error.message}`, { cause: error });
}

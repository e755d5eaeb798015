import { ChainContract, type Context } from '@yilian/ledger/contract';
import { contracts } from '@yilian/main-chain/contracts';

type Function = (ctx: Context, ...args: readonly string[]) => Promise<string>;

/** An index that knows nothing: everybody may have records in every region. */
export class EveryRegion extends ChainContract {
  readonly #index = ofMain('Index');
  readonly #registry = ofMain('Registry');

  constructor() {
    super('Index');
  }

  add(ctx: Context, proofJson: string): Promise<string> {
    return this.#index('add', ctx, proofJson);
  }

  async lookup(ctx: Context): Promise<string> {
    const regions = JSON.parse(await this.#registry('regions', ctx)) as {
      readonly entry: { readonly region: string };
    }[];
    return JSON.stringify(regions.map(({ entry }) => entry.region));
  }
}

/** A contract of the main chain, called as it calls itself: it is a class of its own only there. */
function ofMain(name: string): (called: string, ctx: Context, ...args: readonly string[]) => Promise<string> {
  const contract = contracts.map((Contract) => new Contract()).find((each) => each.getName() === name);
  return (called, ctx, ...args) => {
    const functions = contract as unknown as Readonly<Record<string, Function>>;
    return (functions[called] as Function).call(contract, ctx, ...args);
  };
}

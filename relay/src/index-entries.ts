import type { MainChain } from '@yilian/main-chain';
import type { RegionalChain } from '@yilian/regional-chain';
import type { Witnesses } from './attestations.ts';
import { failpoint } from './failpoints.ts';
import type { Verdict } from './queues.ts';

export interface IndexEntriesOptions {
  readonly region: string;
  readonly chain: RegionalChain;
  readonly main: MainChain;
  readonly proxies: Witnesses;
}

const AT_ONCE = 8;

/** Tells the main chain's index which patients this region holds records of. */
export class IndexEntries {
  readonly #options: IndexEntriesOptions;

  constructor(options: IndexEntriesOptions) {
    this.#options = options;
  }

  async isDue(): Promise<boolean> {
    return (await this.#options.chain.unindexed()).length > 0;
  }

  /** Announces a few patients; a record is findable once this is done. */
  async run(): Promise<Verdict> {
    const { chain } = this.#options;
    const missing = await chain.unindexed();
    const batch = missing.slice(0, AT_ONCE);
    const indexed = await Promise.allSettled(batch.map((pseudonym) => this.#add(pseudonym)));
    const done = batch.filter((_, index) => indexed[index]?.status === 'fulfilled');
    if (done.length > 0) await chain.indexed(done);
    const failed = indexed.find((result) => result.status === 'rejected');
    if (failed !== undefined && done.length === 0) throw failed.reason;
    return missing.length > done.length ? { againInMs: 100 } : 'done';
  }

  async #add(pseudonym: string): Promise<void> {
    const { chain, main, proxies, region } = this.#options;
    if ((await main.lookup(pseudonym)).includes(region)) return;
    const { transactionId } = await chain.announce(pseudonym);
    failpoint('index.announced');
    await main.addToIndex(await proxies.prove(transactionId));
    failpoint('index.added');
  }
}

import { contracts as product } from '@yilian/main-chain/contracts';
import { Ballast } from './ballast.ts';
import { Receipts } from './receipts.ts';

/** What the main chain runs: the product's contracts, what fills it, and the receipts that one ablation has it keep. */
export const contracts = [...product, Ballast, Receipts];

import { contracts as product } from '@yilian/regional-chain/contracts';
import { Ballast } from './ballast.ts';

/** What chains of records run: the product's contracts, and what fills them. */
export const contracts = [...product, Ballast];

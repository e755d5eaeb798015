export type { Foundation, RegionState } from '../contracts/chain.ts';
export type { Change } from '../contracts/registry.ts';
export { CHAINCODE, MainChain } from './main-chain.ts';

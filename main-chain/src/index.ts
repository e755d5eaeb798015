export type { Foundation, RegionState, ScopeState } from '../contracts/chain.ts';
export type { Fork } from '../contracts/checkpoints.ts';
export type { PatientEntry, PatientState } from '../contracts/patients.ts';
export type { Change } from '../contracts/registry.ts';
export { CHAINCODE, MainChain } from './main-chain.ts';

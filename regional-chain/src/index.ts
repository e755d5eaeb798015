export type { Access, AccessPage } from '../contracts/accesses.ts';
export { decide, type GrantState } from '../contracts/consent.ts';
export type { GrantEntry } from '../contracts/grants.ts';
export { packProofs, unpackProofs } from '../contracts/packed-proofs.ts';
export type { Patient } from '../contracts/patients.ts';
export type { KeyCertificateEntry } from '../contracts/practitioners.ts';
export type { RecordHeader } from '../contracts/records.ts';
export type { Foundation, Mirror, ScopeMirror } from '../contracts/region.ts';
export type { Leg, OutcomeEntry, PageEntry, RequestEntry, WaitingRequest } from '../contracts/request-state.ts';
export type { ReleaseStanding, Standing } from '../contracts/standing.ts';
export {
  type ChainEvent,
  type ChainPosition,
  type FollowOptions,
  followChain,
  type OutcomeEvent,
  type RevokedEvent,
} from './chain-events.ts';
export { OutcomeLog, outcomeEntry, outcomeLeaf, readOutcome } from './outcome-log.ts';
export { CHAINCODE, RegionalChain } from './regional-chain.ts';

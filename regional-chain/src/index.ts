export { decide, type GrantState } from '../contracts/consent.ts';
export type { GrantEntry } from '../contracts/grants.ts';
export type { Patient } from '../contracts/patients.ts';
export type { KeyCertificateEntry } from '../contracts/practitioners.ts';
export { type Foundation, type Mirror, ROLE_ATTRIBUTE, type Role } from '../contracts/region.ts';
export type { Access, Leg, OutcomeEntry, RequestEntry, WaitingRequest } from '../contracts/requests.ts';
export { CHAINCODE, RegionalChain } from './regional-chain.ts';

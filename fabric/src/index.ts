export { type Binaries, findBinaries } from './binaries.ts';
export {
  dropSuccessor,
  dueOf,
  type HeldCertificate,
  hasSuccessor,
  putInPlace,
  renewalOf,
  stageSuccessor,
  successorIn,
} from './certificates.ts';
export type { Change, ChangeOptions, Consent } from './change.ts';
export { FabricError, type FabricErrorCode } from './errors.ts';
export { onLoopback, ordererPlan, organisationPlan } from './loopback.ts';
export { LOCAL_NAME, serverNameOf } from './msp.ts';
export { FabricNetwork, type NodeProgram, type PeerAccess, type Renewal } from './network.ts';
export { NodeProcesses } from './node-processes.ts';
export type {
  BatchPlan,
  ChaincodePlan,
  Endpoint,
  NetworkPlan,
  OrdererCertificates,
  OrdererPlan,
  OrganisationPlan,
  PeerPlan,
} from './plan.ts';

export { type Attester, type AttesterOptions, attest, createAttester } from './attest.ts';
export { type BlockTransaction, findTransaction } from './block.ts';
export {
  type Authority,
  type AuthorityOptions,
  type AuthorityRecord,
  type Credential,
  createAuthority,
  type IntermediateOptions,
  type IssueOptions,
  isConfinedTo,
  restoreAuthority,
} from './ca.ts';
export {
  type Argument,
  type Committed,
  type EvaluateOptions,
  evaluate,
  type SubmitOptions,
  submit,
} from './call.ts';
export { readCertificate } from './certificate.ts';
export {
  type Connection,
  type ConnectOptions,
  connect,
  DEADLINES,
  type Deadlines,
  openClient,
  type Tls,
} from './connect.ts';
export {
  LedgerError,
  type LedgerErrorCode,
  ledgerError,
  remedy,
  type Stage,
  type ValidationCode,
} from './ledger-error.ts';
export { OwnView } from './own-view.ts';
export { createSigner, type Sign } from './signer.ts';

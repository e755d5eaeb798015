export type { Write } from './envelope.ts';
export { VerifyError, type VerifyErrorCode } from './errors.ts';
export { createMsp, type Identity, type Msp, type Organisation } from './msp.ts';
export { type Expectation, type NetworkTrust, type Outcome, verifyOutcome } from './outcome.ts';
export { type Policy, type Principal, parsePolicy, principalsOf, type Role, satisfies } from './policy.ts';
export { type Attestation, assembleProof, attestationBytes, type OutcomeProof, type Statement } from './proof.ts';

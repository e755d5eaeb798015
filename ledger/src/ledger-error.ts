import { status as GrpcStatus } from '@grpc/grpc-js';
import { GatewayError, StatusCode } from '@hyperledger/fabric-gateway';

/** Why a committed transaction is not valid, by Fabric's name: `MVCC_READ_CONFLICT`, `DUPLICATE_TXID`, .. */
export type ValidationCode = Exclude<keyof typeof StatusCode, 'VALID'>;

/**
 * Why a call to the ledger failed. `CONTRACT`: the contract refused. `ENDORSEMENT_MISMATCH`: endorsers disagree.
 * `REJECTED`: peer or orderer refused for another reason. A validation code: ordered, and without effect.
 */
export type LedgerErrorCode =
  | ValidationCode
  | 'CONTRACT'
  | 'DEADLINE'
  | 'ENDORSEMENT_MISMATCH'
  | 'FORBIDDEN'
  | 'OVERLOADED'
  | 'REJECTED'
  | 'UNAVAILABLE';

/** The step of a transaction's life that failed. From `submit` on, the transaction may have happened all the same. */
export type Stage = 'evaluate' | 'endorse' | 'submit' | 'commit' | 'validate';

export interface LedgerErrorDetails {
  readonly stage: Stage;
  readonly transactionId?: string;
  /** The `CODE` of the contract's `refuse(CODE, ..)`. */
  readonly contractCode?: string;
}

/** Thrown by every call to a ledger. */
export class LedgerError extends Error {
  readonly code: LedgerErrorCode;
  readonly stage: Stage;
  readonly transactionId?: string;
  readonly contractCode?: string;

  constructor(code: LedgerErrorCode, message: string, details: LedgerErrorDetails, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LedgerError';
    this.code = code;
    this.stage = details.stage;
    if (details.transactionId !== undefined) this.transactionId = details.transactionId;
    if (details.contractCode !== undefined) this.contractCode = details.contractCode;
  }
}

const STAGES: Readonly<Record<string, Stage>> = {
  GatewayError: 'evaluate',
  EndorseError: 'endorse',
  SubmitError: 'submit',
  CommitStatusError: 'commit',
};
/** Nobody here cancels a call: `CANCELLED` is a peer that stops, or whose clock came to the deadline before ours. */
const TRANSPORT: Readonly<Partial<Record<number, LedgerErrorCode>>> = {
  [GrpcStatus.CANCELLED]: 'DEADLINE',
  [GrpcStatus.DEADLINE_EXCEEDED]: 'DEADLINE',
  [GrpcStatus.PERMISSION_DENIED]: 'FORBIDDEN',
  [GrpcStatus.RESOURCE_EXHAUSTED]: 'OVERLOADED',
  [GrpcStatus.UNAUTHENTICATED]: 'FORBIDDEN',
  [GrpcStatus.UNAVAILABLE]: 'UNAVAILABLE',
};
/**
 * A peer without its contract server answers `ABORTED`, as one does whose orderer was just started and has not opened its
 * channels yet; one that sees too few others just then, `FAILED_PRECONDITION`.
 */
const OUT_OF_REACH =
  /could not launch chaincode|chaincode stream terminated|no combination of peers can be derived|info=channel does not exist/;
const REFUSAL = /chaincode response \d{3}, (?:([A-Z][A-Z0-9_]*): )?(.*)/s;

/** What an error of the gateway client means. Errors that are none of its own are returned as they are. */
export function ledgerError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LedgerError) return error;
  const transactionId = textMember(error, 'transactionId');
  const life = transactionId === undefined ? {} : { transactionId };
  if (error.name === 'CommitError' && 'code' in error) {
    const code = validationCode(Number(error.code));
    return new LedgerError(code, `Transaction is invalid: ${code}`, { stage: 'validate', ...life }, { cause: error });
  }
  const stage = STAGES[error.name];
  if (!(error instanceof GatewayError) || !stage) return error;
  const messages = [...error.details.map((detail) => detail.message), error.message];
  const refusals = messages.map((message) => REFUSAL.exec(message)).filter((match) => match !== null);
  const refusal = refusals.find((match) => match[1] !== undefined) ?? refusals[0];
  if (refusal) {
    const [, contractCode, text = ''] = refusal;
    const details = { stage, ...life, ...(contractCode !== undefined && { contractCode }) };
    const message = contractCode === undefined ? text : `${contractCode}: ${text}`;
    return new LedgerError('CONTRACT', message, details, { cause: error });
  }
  const says = (what: RegExp) => messages.some((message) => what.test(message));
  const code = says(/ProposalResponsePayloads do not match/)
    ? 'ENDORSEMENT_MISMATCH'
    : says(OUT_OF_REACH)
      ? 'UNAVAILABLE'
      : (TRANSPORT[error.code] ?? 'REJECTED');
  return new LedgerError(code, messages.join('; '), { stage, ...life }, { cause: error });
}

/**
 * What may help after a failed call. `anew`: it certainly had no effect, because of a conflict with another transaction
 * or of endorsers at different heights; a new proposal may succeed. `later`: nothing has happened, since somebody was out
 * of reach. `same`: it may have happened; the same envelope may be handed in again, which takes effect once.
 */
export type Remedy = 'anew' | 'later' | 'same';

/** Undefined: the same call would fail again. */
export function remedy(error: unknown): Remedy | undefined {
  const failure = ledgerError(error);
  if (!(failure instanceof LedgerError)) return undefined;
  switch (failure.code) {
    case 'MVCC_READ_CONFLICT':
    case 'PHANTOM_READ_CONFLICT':
    case 'ENDORSEMENT_MISMATCH':
      return 'anew';
    case 'DEADLINE':
    case 'OVERLOADED':
    case 'UNAVAILABLE':
      return failure.stage === 'evaluate' || failure.stage === 'endorse' ? 'later' : 'same';
    default:
      return undefined;
  }
}

/** Fabric's name of a `TxValidationCode`. */
export function validationCode(code: number): ValidationCode {
  const name = Object.keys(StatusCode).find((key) => StatusCode[key as ValidationCode] === code);
  return (name ?? 'INVALID_OTHER_REASON') as ValidationCode;
}

function textMember(value: object, name: string): string | undefined {
  const member: unknown = Reflect.get(value, name);
  return typeof member === 'string' ? member : undefined;
}

export type EvaluationErrorCode =
  /** A record was opened and is not what was published, or something about it did not verify. */
  | 'WRONG_ANSWER'
  /** No record came. */
  | 'MISSING_ANSWER'
  /** What was asked for cannot be built. */
  | 'IMPOSSIBLE'
  | 'OPTION_INVALID'
  /** What chains shall run on is not on this machine. */
  | 'ENGINE_MISSING'
  | 'MACHINE_TOO_SMALL'
  | 'RUN_FAILED';

/** Thrown by the evaluation. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
  readonly code: EvaluationErrorCode;

  constructor(code: EvaluationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

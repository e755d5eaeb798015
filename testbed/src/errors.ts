export type TestbedErrorCode =
  /** A server ended, or never ran. */
  | 'ENDED'
  /** Something did not happen in its time. */
  | 'LATE';

/** Thrown by what tests and measurements stand on. */
export class TestbedError extends Error {
  override readonly name = 'TestbedError';
  readonly code: TestbedErrorCode;

  constructor(code: TestbedErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What can keep a local federation from starting or a command from running; each is one line to the person. */
export type DeployErrorCode =
  | 'DESCRIPTION_INVALID'
  | 'STATE_BUSY'
  | 'STATE_FOREIGN'
  | 'NOT_RUNNING'
  | 'PORT_TAKEN'
  | 'PROCESS_FAILED'
  | 'NOT_READY'
  | 'REDIS_MISSING'
  | 'REDIS_UNFIT'
  | 'USAGE'
  | 'NAME_UNKNOWN'
  | 'NAME_TAKEN'
  | 'FILE_UNREADABLE';

export class DeployError extends Error {
  override readonly name = 'DeployError';
  readonly code: DeployErrorCode;

  constructor(code: DeployErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What can keep a local federation from starting or a command from running; each is one line to the person. */
export type DeployErrorCode =
  | 'DESCRIPTION_INVALID'
  | 'STATE_BUSY'
  | 'STATE_FOREIGN'
  | 'STATE_DAMAGED'
  | 'STATE_UNUSABLE'
  | 'DISK_FULL'
  | 'NOT_RUNNING'
  | 'PORT_TAKEN'
  | 'PROCESS_FAILED'
  | 'NOT_READY'
  | 'REDIS_MISSING'
  | 'REDIS_UNFIT'
  | 'REDIS_UNSAFE'
  | 'REDIS_UNREACHABLE'
  | 'KUBO_MISSING'
  | 'KUBO_UNFIT'
  | 'ENGINE_DIFFERS'
  | 'CHANGE_UNSUPPORTED'
  | 'BUNDLE_INVALID'
  | 'NOT_AGREED'
  | 'ELSEWHERE'
  | 'BACKUP_INVALID'
  | 'BACKUP_UNUSABLE'
  | 'USAGE'
  | 'NAME_UNKNOWN'
  | 'NAME_TAKEN'
  | 'FILE_UNREADABLE'
  | 'FILE_UNWRITABLE'
  | 'TIMEOUT'
  | 'INTERRUPTED';

export class DeployError extends Error {
  override readonly name = 'DeployError';
  readonly code: DeployErrorCode;

  constructor(code: DeployErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const CODE = /^[A-Z][A-Z0-9_]+$/;

/** An error of any package as a person or a script is told it. A contract's refusal has the contract's code. */
export function told(error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof Error)) return { code: 'FAILED', message: String(error) };
  const { code, contractCode, path } = error as { code?: unknown; contractCode?: unknown; path?: unknown };
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return { code: 'DISK_FULL', message: `no space is left for ${typeof path === 'string' ? path : 'the state'}` };
  if (error.name === 'TimeoutError') return { code: 'TIMEOUT', message: 'it took too long' };
  const known = [contractCode, code].find((candidate) => typeof candidate === 'string' && CODE.test(candidate));
  const name = typeof known === 'string' ? known : 'FAILED';
  return { code: name, message: error.message.replace(`${name}: `, '') };
}

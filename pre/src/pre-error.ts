/** What went wrong, stable across versions; the message is for people and never holds a secret. */
export type PreErrorCode =
  | 'ARGUMENT_INVALID'
  | 'BINDING_INVALID'
  | 'BODY_EXTENDED'
  | 'BODY_INVALID'
  | 'BODY_TRUNCATED'
  | 'CAPSULE_INVALID'
  | 'CFRAG_INVALID'
  | 'CIPHERTEXT_INVALID'
  | 'CONTEXT_INVALID'
  | 'HEADER_INVALID'
  | 'KEY_INVALID'
  | 'KEY_REUSED'
  | 'KFRAG_INVALID'
  | 'RANDOM_INVALID'
  | 'RANGE_INVALID'
  | 'SEALED_INVALID'
  | 'SIGNATURE_INVALID'
  | 'SOURCE_CHANGED'
  | 'SUITE_UNSUPPORTED'
  | 'THREAD_ENDED'
  | 'THRESHOLD';

/** The only error this package throws on purpose. */
export class PreError extends Error {
  override readonly name = 'PreError';
  readonly code: PreErrorCode;

  constructor(code: PreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

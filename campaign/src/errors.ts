export type CampaignErrorCode =
  /** A program ended otherwise than it was made to, or did not start. */
  | 'ENDED'
  /** A chain no longer has a block that it had shown. */
  | 'LEDGER_LOST'
  /** A deed succeeded with another result than it must have. */
  | 'WRONG_RESULT';

/** Thrown by the campaign. */
export class CampaignError extends Error {
  override readonly name = 'CampaignError';
  readonly code: CampaignErrorCode;

  constructor(code: CampaignErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

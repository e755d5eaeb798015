export type FabricErrorCode =
  /** A program of Fabric is not in PATH. */
  | 'FABRIC_MISSING'
  /** One is, and is of another version than wanted. */
  | 'FABRIC_UNFIT'
  /** A command of Fabric failed. */
  | 'FABRIC_COMMAND'
  /** A network did not endorse with every organisation in time. */
  | 'FABRIC_NOT_READY';

/** What keeps a Fabric network from running. */
export class FabricError extends Error {
  readonly code: FabricErrorCode;

  constructor(code: FabricErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FabricError';
    this.code = code;
  }
}

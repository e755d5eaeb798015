export type FabricErrorCode =
  /** A program of Fabric is not in PATH. */
  | 'FABRIC_MISSING'
  /** One is, and is of another version than wanted. */
  | 'FABRIC_UNFIT'
  /** A command of Fabric failed. */
  | 'FABRIC_COMMAND'
  /** A network did not endorse with every organisation in time. */
  | 'FABRIC_NOT_READY'
  /** Something was named that the plan does not have, or that it still has where it must not. */
  | 'FABRIC_UNPLANNED'
  /** Too few administrators would sign a change of the channel. */
  | 'FABRIC_SIGNATURES'
  /** Too few organisations approve of a chaincode's definition. */
  | 'FABRIC_APPROVALS'
  /** A change would take away a channel's last, or the quorum that orders. */
  | 'FABRIC_QUORUM'
  /** A certificate or key is missing or somebody else's. */
  | 'FABRIC_CERTIFICATE'
  /** A channel's first block is not what its members planned. */
  | 'FABRIC_GENESIS'
  /** A certificate has expired. */
  | 'FABRIC_EXPIRED'
  /** An organisation of a channel tells its members by other rules than outcome proofs know. */
  | 'FABRIC_MSP';

/** What keeps a Fabric network from running. */
export class FabricError extends Error {
  readonly code: FabricErrorCode;

  constructor(code: FabricErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FabricError';
    this.code = code;
  }
}

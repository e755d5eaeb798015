import type { Cid } from './cid.ts';

/**
 * What went wrong. `UNAVAILABLE` and `DISK_FULL` may pass when tried again; the rest will not by themselves.
 *
 * - `CID_INVALID`: not a CIDv1 of a raw or dag-pb block with SHA-256, in canonical base32
 * - `BLOCK_MISSING`: every holder answered, none has the block
 * - `BLOCK_CORRUPT`: every holder answered, the only bytes to be had do not hash to the CID
 * - `SIZE_MISMATCH`: the DAG, or a block of it, is not of the size that was signed or declared
 * - `DAG_TOO_DEEP`: more levels than {@link MAX_LEVELS}
 * - `DAG_INVALID`: a node is not one this vault would have written
 * - `RANGE_INVALID`: size, offset or length out of bounds
 * - `TOO_LARGE`: a block of more than {@link MAX_BLOCK_BYTES}
 * - `DISK_FULL`: no room; nothing of the operation was kept
 * - `UNAVAILABLE`: a disk, daemon or holder could not be used now
 * - `READ_ONLY`: the vault has no store of its own
 * - `STORE_DAMAGED`: the folder's list of pins is lost, unreadable or of a later version
 * - `CLOSED`: the vault was closed
 */
export type VaultErrorCode =
  | 'CID_INVALID'
  | 'BLOCK_MISSING'
  | 'BLOCK_CORRUPT'
  | 'SIZE_MISMATCH'
  | 'DAG_TOO_DEEP'
  | 'DAG_INVALID'
  | 'RANGE_INVALID'
  | 'TOO_LARGE'
  | 'DISK_FULL'
  | 'UNAVAILABLE'
  | 'READ_ONLY'
  | 'STORE_DAMAGED'
  | 'CLOSED';

/** The one error of this package. `cid` names the block at fault, where there is one. */
export class VaultError extends Error {
  readonly code: VaultErrorCode;
  readonly cid: Cid | undefined;

  constructor(code: VaultErrorCode, message: string, options: { cid?: Cid; cause?: unknown } = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VaultError';
    this.code = code;
    this.cid = options.cid;
  }
}

import type { Cid } from './cid.ts';

/** What a call to any vault may carry. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** What {@link Vault.put} takes. `onProgress` gets the bytes taken in so far. */
export interface PutOptions extends CallOptions {
  onProgress?: ((bytes: number) => void) | undefined;
}

/** What {@link Vault.get} takes. `onProgress` gets the bytes handed out so far. */
export interface GetOptions extends CallOptions {
  /** The size somebody signed for. Nothing beyond it is read, and the DAG must declare exactly it. */
  sizeBytes: number;
  /** First byte wanted; 0 when left out. */
  offset?: number | undefined;
  /** How many bytes are wanted; up to the end when left out. */
  length?: number | undefined;
  onProgress?: ((bytes: number) => void) | undefined;
}

/** What {@link Vault.verify} takes. Without `sizeBytes`, what was pinned counts, or else what the DAG declares. */
export interface VerifyOptions extends CallOptions {
  repair?: boolean | undefined;
  sizeBytes?: number | undefined;
}

/** What {@link Vault.verify} found. Without repair, `missing` and `corrupt` may hide more below the nodes they lost. */
export interface Verification {
  blocks: number;
  /** What the DAG declares, or 0 when its root could not be read. */
  sizeBytes: number;
  missing: number;
  corrupt: number;
  /** How many of the missing and corrupt were fetched from another holder and are good again. */
  repaired: number;
}

/**
 * Keeps sealed bytes and finds them again by what they hash to. Every block is checked against its CID each time it is
 * read, whoever stored it.
 *
 * Besides the codes named at the methods, any of them throws `UNAVAILABLE`, `CLOSED`, or the reason of an aborted signal.
 */
export interface Vault {
  /**
   * Stores and pins. The chunks of `source` must not be changed after they were handed over.
   *
   * @throws DISK_FULL READ_ONLY, or whatever `source` throws; then nothing is kept
   */
  put(source: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ cid: Cid; sizeBytes: number }>;

  /**
   * Reads all or a range, fetching only the blocks it needs, from the other holders when they are not here.
   *
   * @throws BLOCK_MISSING BLOCK_CORRUPT SIZE_MISMATCH DAG_TOO_DEEP DAG_INVALID RANGE_INVALID
   */
  get(cid: Cid, options: GetOptions): AsyncGenerator<Uint8Array, void, undefined>;

  /**
   * Fetches from the other holders what is missing here, and keeps it from then on.
   *
   * @throws like {@link Vault.get}, and DISK_FULL READ_ONLY
   */
  pin(cid: Cid, options: CallOptions & { sizeBytes: number }): Promise<void>;

  /** Lets go; blocks no other pin needs are removed. Nothing happens when it was not pinned. @throws READ_ONLY */
  unpin(cid: Cid): Promise<void>;

  /**
   * Reads every block and counts the bad ones; `repair` replaces them from the other holders.
   *
   * @throws SIZE_MISMATCH DAG_TOO_DEEP DAG_INVALID
   */
  verify(cid: Cid, options?: VerifyOptions): Promise<Verification>;

  [Symbol.asyncDispose](): Promise<void>;
}

/** A block that is here, or why it is not. */
export type LocalBlock = Uint8Array | 'missing' | 'corrupt';

/** The blocks a vault has itself. `read` gives verified bytes only, and never asks another holder. */
export interface LocalBlocks {
  read(cid: Cid, options?: CallOptions): Promise<LocalBlock>;
}

/** A vault with a store of its own, which others can be served from. */
export interface StoredVault extends Vault {
  readonly blocks: LocalBlocks;
  /** Blocks found bad since the vault was opened, and how many of them are good again. */
  readonly faults: Readonly<FaultCounts>;
}

/** Counted in blocks. */
export interface FaultCounts {
  missing: number;
  corrupt: number;
  repaired: number;
}

/** Something an operator should know. None of them stopped a read by itself. */
export type VaultFault =
  /** A pinned block was lost or damaged here. */
  | { kind: 'missing' | 'corrupt'; cid: Cid; repaired: boolean; cause?: unknown }
  /** A holder sent bytes that are not the block, or could not be used. */
  | { kind: 'holder-corrupt' | 'holder-unavailable'; cid: Cid; holder: string; cause?: unknown };

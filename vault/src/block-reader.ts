import type { Cid } from './cid.ts';
import { type DagBlock, visitDag, walkDag } from './dag.ts';
import { type HolderOptions, Holders } from './holders.ts';
import type {
  CallOptions,
  FaultCounts,
  GetOptions,
  LocalBlock,
  LocalBlocks,
  Verification,
  VerifyOptions,
} from './vault.ts';
import { VaultError } from './vault-error.ts';

/** Where a vault keeps blocks. */
export interface LocalStore extends LocalBlocks {
  /** Whether the vault means to have this block, met on the way from `root`, so that its absence is a fault. */
  wanted(cid: Cid, root: Cid): Promise<boolean>;
  /** Puts the block where `read` finds it, in the place of a bad one. */
  replace(cid: Cid, bytes: Uint8Array, options?: CallOptions): Promise<void>;
}

/** Reads blocks from here or from the other holders, and mends what is here. */
export class BlockReader {
  readonly faults: FaultCounts = { missing: 0, corrupt: 0, repaired: 0 };
  readonly #holders: Holders;
  readonly #local: LocalStore | undefined;
  readonly #onFault: HolderOptions['onFault'];

  constructor(options: HolderOptions, local?: LocalStore) {
    this.#onFault = options.onFault;
    this.#holders = new Holders(options);
    this.#local = local;
  }

  /** The verified block from wherever it is, and whether it is here now. A block that should be here is put back. */
  async obtain(cid: Cid, root: Cid, signal?: AbortSignal): Promise<{ bytes: Uint8Array; here: boolean }> {
    if (this.#local === undefined) return { bytes: await this.#holders.fetch(cid, signal), here: false };
    const found = await this.#local.read(cid, { signal });
    return found instanceof Uint8Array ? { bytes: found, here: true } : this.#recover(found, cid, root, signal);
  }

  /** {@link Vault.get} over these blocks. */
  async *get(root: Cid, options: GetOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizeBytes, offset = 0, length = sizeBytes - offset, signal, onProgress } = options;
    const whole = [sizeBytes, offset, length].every((n) => Number.isSafeInteger(n) && n >= 0);
    if (!whole || offset + length > sizeBytes) {
      throw new VaultError('RANGE_INVALID', 'offset and length must lie within the size', { cid: root });
    }
    const range = { from: offset, to: offset + length };
    const read = async (cid: Cid, stop: AbortSignal) => (await this.obtain(cid, root, stop)).bytes;
    let handedOut = 0;
    for await (const block of walkDag(root, { ...range, read, sizeBytes, signal })) {
      const part = contentWithin(block, range);
      if (part.length === 0) continue;
      handedOut += part.length;
      onProgress?.(handedOut);
      yield part;
    }
  }

  /** Obtains every block, and hands over to `keep` those that are here and to `store` those that are not yet. */
  async replicate(
    root: Cid,
    options: CallOptions & { sizeBytes: number },
    to: { keep: (cid: Cid) => void; store: (cid: Cid, bytes: Uint8Array) => Promise<void> },
  ): Promise<void> {
    const away = new Set<Cid>();
    const read = async (cid: Cid, stop: AbortSignal) => {
      const { bytes, here } = await this.obtain(cid, root, stop);
      if (!here) away.add(cid);
      return bytes;
    };
    await visitDag(root, { ...options, read }, async ({ cid, bytes }) => {
      if (away.has(cid) && bytes !== null) await to.store(cid, bytes);
      else to.keep(cid);
    });
  }

  /** {@link Vault.verify} over these blocks. */
  async verify(root: Cid, options: VerifyOptions = {}): Promise<Verification> {
    const result = { blocks: 0, sizeBytes: 0, missing: 0, corrupt: 0, repaired: 0 };
    const read = async (cid: Cid, signal: AbortSignal) => {
      const found = await this.#look(cid, signal);
      if (found instanceof Uint8Array) return found;
      result[found] += 1;
      if (options.repair !== true || this.#local === undefined) return null;
      const recovered = await this.#recover(found, cid, root, signal).catch((cause: unknown) => {
        signal.throwIfAborted();
        if (cause instanceof VaultError) return null;
        throw cause;
      });
      if (recovered?.here) result.repaired += 1;
      return recovered?.bytes ?? null;
    };
    for await (const block of walkDag(root, { read, sizeBytes: options.sizeBytes, signal: options.signal })) {
      if (block.cid === root && block.bytes !== null) result.sizeBytes = block.sizeBytes;
      result.blocks += 1;
    }
    return result;
  }

  async #look(cid: Cid, signal: AbortSignal): Promise<LocalBlock> {
    if (this.#local !== undefined) return this.#local.read(cid, { signal });
    return this.#holders.fetch(cid, signal).catch((cause: unknown) => {
      if (cause instanceof VaultError && cause.code === 'BLOCK_MISSING') return 'missing';
      if (cause instanceof VaultError && cause.code === 'BLOCK_CORRUPT') return 'corrupt';
      throw cause;
    });
  }

  async #recover(
    found: 'missing' | 'corrupt',
    cid: Cid,
    root: Cid,
    signal?: AbortSignal,
  ): Promise<{ bytes: Uint8Array; here: boolean }> {
    const wanted = (await this.#local?.wanted(cid, root)) ?? false;
    let repaired = false;
    let failure: unknown;
    try {
      const bytes = await this.#holders.fetch(cid, signal);
      if (wanted) {
        const stored = this.#local?.replace(cid, bytes, { signal });
        repaired = await Promise.resolve(stored).then(
          () => true,
          (cause: unknown) => {
            failure = cause;
            return false;
          },
        );
      }
      return { bytes, here: repaired };
    } catch (cause) {
      failure = cause;
      if (found === 'corrupt' && cause instanceof VaultError && cause.code === 'BLOCK_MISSING') {
        throw new VaultError('BLOCK_CORRUPT', 'the block is damaged here and no holder has it', { cid });
      }
      throw cause;
    } finally {
      if (wanted && !signal?.aborted) this.#count({ kind: found, cid, repaired, cause: failure });
    }
  }

  #count(fault: { kind: 'missing' | 'corrupt'; cid: Cid; repaired: boolean; cause: unknown }): void {
    this.faults[fault.kind] += 1;
    if (fault.repaired) this.faults.repaired += 1;
    this.#onFault?.(fault);
  }
}

function contentWithin(block: DagBlock, { from, to }: { from: number; to: number }): Uint8Array {
  if (!block.leaf || block.bytes === null) return new Uint8Array();
  return block.bytes.subarray(Math.max(from - block.start, 0), Math.max(to - block.start, 0));
}

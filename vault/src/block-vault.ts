import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockFolder } from './block-folder.ts';
import { BlockReader } from './block-reader.ts';
import { type Cid, digestOf } from './cid.ts';
import { importDag } from './dag.ts';
import { diskError } from './disk-error.ts';
import type { HolderOptions } from './holders.ts';
import { type Pin, PinBook } from './pin-book.ts';
import type {
  CallOptions,
  GetOptions,
  LocalBlocks,
  PutOptions,
  StoredVault,
  Verification,
  VerifyOptions,
} from './vault.ts';
import { VaultError } from './vault-error.ts';
import { VaultLife } from './vault-life.ts';
import { WriteGate } from './write-gate.ts';

/** What {@link openBlockVault} takes. */
export interface BlockVaultOptions extends HolderOptions {
  /** On a local file system; made when it does not exist. Several processes may open it at once. */
  folder: string;
}

/** A vault whose blocks are files of its own. */
export interface BlockVault extends StoredVault {
  /** What is pinned, in the order of pinning. */
  pins(): Pin[];
}

/**
 * Opens a folder of blocks, and removes what writers that died left in it.
 *
 * @throws STORE_DAMAGED DISK_FULL UNAVAILABLE
 */
export async function openBlockVault(options: BlockVaultOptions): Promise<BlockVault> {
  const folder = await openFolder(options.folder);
  const pins = new PinBook(join(options.folder, 'pins.sqlite'), await folder.isEmpty());
  const vault = new FolderVault(options, folder, pins, new WriteGate(join(options.folder, 'gate.sqlite')));
  await vault.collect();
  return vault;
}

async function openFolder(path: string): Promise<BlockFolder> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return await BlockFolder.open(path);
  } catch (cause) {
    throw diskError(cause);
  }
}

/** The blocks one put or pin relies on. */
class KeptBlocks {
  readonly cids = new Set<Cid>();
  readonly #folder: BlockFolder;
  readonly #writing = new Set<Promise<void>>();

  constructor(folder: BlockFolder) {
    this.#folder = folder;
  }

  keep(cid: Cid): void {
    this.cids.add(cid);
  }

  /** Keeps the block, writing it unless it is there already and good. */
  async store(cid: Cid, bytes: Uint8Array): Promise<void> {
    if (this.cids.has(cid)) return;
    this.cids.add(cid);
    const writing = this.#folder
      .read(cid)
      .then((found) => (found instanceof Uint8Array ? undefined : this.#folder.write(cid, bytes)));
    this.#writing.add(writing);
    try {
      await writing;
    } finally {
      this.#writing.delete(writing);
    }
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }
}

interface OwnChange {
  change: number;
  digests: Uint8Array[];
}

class FolderVault implements BlockVault {
  readonly blocks: LocalBlocks;
  readonly #folder: BlockFolder;
  readonly #pins: PinBook;
  readonly #gate: WriteGate;
  readonly #reader: BlockReader;
  readonly #life = new VaultLife();
  #collectLater = false;
  #collecting = Promise.resolve();

  constructor(options: HolderOptions, folder: BlockFolder, pins: PinBook, gate: WriteGate) {
    this.#folder = folder;
    this.#pins = pins;
    this.#gate = gate;
    this.blocks = { read: (cid, { signal } = {}) => this.#life.run(signal, () => folder.read(cid)) };
    this.#reader = new BlockReader(options, {
      read: (cid) => folder.read(cid),
      wanted: async (cid) => pins.needs(digestOf(cid)),
      replace: (cid, bytes) => this.#replace(cid, bytes),
    });
  }

  get faults() {
    return this.#reader.faults;
  }

  pins() {
    this.#life.signal(undefined);
    return this.#pins.all();
  }

  put(source: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<{ cid: Cid; sizeBytes: number }> {
    return this.#keep(options.signal, (kept, signal) =>
      importDag(source, (block, bytes) => kept.store(block, bytes), { ...options, signal }),
    );
  }

  async *get(cid: Cid, options: GetOptions): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#reader.get(cid, { ...options, signal: this.#life.signal(options.signal) });
  }

  async pin(cid: Cid, { sizeBytes, signal: given }: CallOptions & { sizeBytes: number }): Promise<void> {
    await this.#keep(given, async (kept, signal) => {
      await this.#reader.replicate(cid, { sizeBytes, signal }, kept);
      return { cid, sizeBytes };
    });
  }

  unpin(cid: Cid): Promise<void> {
    return this.#life.run(undefined, async () => {
      if (this.#pins.sizeOf(cid) === undefined) return;
      const { change, digests } = this.#pins.unpin(cid);
      await this.collect({ change, digests });
    });
  }

  verify(cid: Cid, options: VerifyOptions = {}): Promise<Verification> {
    return this.#life.run(options.signal, async (signal) => {
      const sizeBytes = options.sizeBytes ?? this.#pins.sizeOf(cid);
      return this.#reader.verify(cid, { ...options, sizeBytes, signal });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life.close();
    this.#pins.close();
    this.#gate.close();
  }

  #keep<T extends { cid: Cid; sizeBytes: number }>(
    given: AbortSignal | undefined,
    work: (kept: KeptBlocks, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#life.run(given, async (signal) => {
      const kept = new KeptBlocks(this.#folder);
      let change: number | undefined;
      try {
        using _ = await this.#gate.enter(signal);
        try {
          change = this.#pins.begin();
          const result = await work(kept, signal);
          await this.#folder.sync(kept.cids);
          this.#pins.pin(change, result.cid, result.sizeBytes, kept.cids);
          return result;
        } finally {
          await kept.settled();
        }
      } catch (cause) {
        if (change !== undefined) await this.collect({ change, digests: [...kept.cids].map(digestOf) });
        throw cause;
      } finally {
        if (this.#collectLater) await this.collect();
      }
    });
  }

  async #replace(cid: Cid, bytes: Uint8Array): Promise<void> {
    using _ = await this.#gate.enter();
    if (!this.#pins.needs(digestOf(cid))) return;
    await this.#folder.write(cid, bytes);
    await this.#folder.sync([cid]);
  }

  /**
   * Removes the blocks of unfinished changes that no pin needs; all that no pin needs when any change is not `own`. While
   * somebody writes, here or in another process, or when the disk refuses, this is left for later.
   */
  collect(own?: OwnChange): Promise<void> {
    this.#collecting = this.#collecting.catch(() => undefined).then(() => this.#collectNow(own));
    return this.#collecting;
  }

  async #collectNow(own: OwnChange | undefined): Promise<void> {
    using alone = this.#gate.tryCollect();
    this.#collectLater = alone === null;
    if (alone === null) return;
    try {
      const changes = this.#pins.changes();
      if (changes.length === 0) return;
      const onlyOwn = own !== undefined && changes.every((change) => change === own.change);
      if (!onlyOwn) await this.#folder.removeUnfinished();
      for await (const digest of onlyOwn ? own.digests : this.#folder.digests()) {
        if (!this.#pins.needs(digest)) await this.#folder.remove(digest);
      }
      this.#pins.end(changes);
    } catch (cause) {
      if (!(cause instanceof VaultError)) throw cause;
      this.#collectLater = true;
    }
  }
}

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, opendir, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { base32upper } from 'multiformats/bases/base32';
import { type Cid, digestOf, isBlock, MAX_BLOCK_BYTES } from './cid.ts';
import { diskError } from './disk-error.ts';
import type { LocalBlock } from './vault.ts';

const SUFFIX = '.data';
const MULTIHASH_PREFIX = [0x12, 0x20];

/**
 * Blocks as files, `blocks/<last two letters>/<multihash in base32>.data`, the layout of js-ipfs `blockstore-fs`. A file
 * appears under its name only when its bytes are on the disk; several processes may write the same block at once.
 */
export class BlockFolder {
  readonly #blocks: string;
  readonly #unfinished: string;

  private constructor(folder: string) {
    this.#blocks = join(folder, 'blocks');
    this.#unfinished = join(folder, 'unfinished');
  }

  static async open(folder: string): Promise<BlockFolder> {
    const opened = new BlockFolder(folder);
    for (const path of [opened.#blocks, opened.#unfinished]) await mkdir(path, { recursive: true, mode: 0o700 });
    return opened;
  }

  async isEmpty(): Promise<boolean> {
    return (await readdir(this.#blocks)).length === 0;
  }

  /** The verified block. A disk that cannot read it has a corrupt block. @throws UNAVAILABLE */
  async read(cid: Cid): Promise<LocalBlock> {
    try {
      await using file = await open(this.#path(digestOf(cid)).file, constants.O_RDONLY | constants.O_NOFOLLOW);
      const { size } = await file.stat();
      if (size > MAX_BLOCK_BYTES) return 'corrupt';
      const bytes = Buffer.allocUnsafeSlow(size);
      const { bytesRead } = await file.read(bytes, 0, size, 0);
      return bytesRead === size && isBlock(cid, bytes) ? bytes : 'corrupt';
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return 'missing';
      if (code === 'EIO' || code === 'EISDIR' || code === 'ELOOP') return 'corrupt';
      throw diskError(cause);
    }
  }

  /** Writes the block whole and to the disk, in the place of any other. @throws DISK_FULL UNAVAILABLE */
  async write(cid: Cid, bytes: Uint8Array): Promise<void> {
    const { shard, file } = this.#path(digestOf(cid));
    const unfinished = join(this.#unfinished, randomUUID());
    try {
      await mkdir(shard, { recursive: true, mode: 0o700 });
      await writeFile(unfinished, bytes, { flag: 'wx', mode: 0o600, flush: true });
      await rename(unfinished, file);
    } catch (cause) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      throw diskError(cause);
    }
  }

  /** Makes the names of these blocks survive a power failure. */
  async sync(cids: Iterable<Cid>): Promise<void> {
    const shards = new Set([...cids].map((cid) => this.#path(digestOf(cid)).shard));
    try {
      for (const path of [...shards, this.#blocks]) {
        await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
        await folder.sync();
      }
    } catch (cause) {
      throw diskError(cause);
    }
  }

  async remove(digest: Uint8Array): Promise<void> {
    await rm(this.#path(digest).file, { force: true }).catch(refuse);
  }

  /** The digests of all blocks. Anything else found below `blocks` is left alone. */
  async *digests(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const entry of await opendir(this.#blocks, { recursive: true }).catch(refuse)) {
      if (!entry.isFile() || !entry.name.endsWith(SUFFIX)) continue;
      const digest = digestIn(entry.name.slice(0, -SUFFIX.length));
      if (digest !== null) yield digest;
    }
  }

  /** Removes what writers that died left half-written. Only while nobody writes. */
  async removeUnfinished(): Promise<void> {
    for (const name of await readdir(this.#unfinished).catch(refuse))
      await unlink(join(this.#unfinished, name)).catch(refuse);
  }

  #path(digest: Uint8Array): { shard: string; file: string } {
    const name = base32upper.encode(Uint8Array.from([...MULTIHASH_PREFIX, ...digest]));
    const shard = join(this.#blocks, name.slice(-2));
    return { shard, file: join(shard, name + SUFFIX) };
  }
}

function refuse(cause: unknown): never {
  throw diskError(cause);
}

function digestIn(name: string): Uint8Array | null {
  try {
    const multihash = base32upper.decode(name);
    const ours = multihash.length === 34 && MULTIHASH_PREFIX.every((byte, index) => multihash[index] === byte);
    return ours ? multihash.subarray(MULTIHASH_PREFIX.length) : null;
  } catch {
    return null;
  }
}

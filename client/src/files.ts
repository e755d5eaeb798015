import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openToSink, type Sink } from './core/sink.ts';

export interface FileOptions {
  /** Gets the bytes read or written so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const READ_BYTES = 1024 * 1024;

/** A file's bytes, a mebibyte at a time. */
export async function* readFileStream(file: string, options: FileOptions = {}): AsyncGenerator<Uint8Array, void> {
  let sizeBytes = 0;
  const { signal, onProgress } = options;
  const stream = createReadStream(file, { highWaterMark: READ_BYTES, ...(signal && { signal }) });
  for await (const piece of stream as AsyncIterable<Uint8Array>) {
    sizeBytes += piece.length;
    onProgress?.(sizeBytes);
    yield piece;
  }
}

/**
 * Writes a record to a file beside its place and moves it there when the record has been read to its end without an
 * error: never does a part of it stand under the final name. Mode 0600.
 */
export async function writeVerified(
  file: string,
  record: AsyncIterable<Uint8Array>,
  { onProgress, signal }: FileOptions = {},
): Promise<{ readonly sizeBytes: number }> {
  await using temporary = await TemporaryFile.beside(file);
  const sink: Sink = {
    async write(bytes) {
      signal?.throwIfAborted();
      const sizeBytes = await temporary.write(bytes);
      onProgress?.(sizeBytes);
    },
    commit: () => temporary.replace(file),
    abort: () => undefined,
  };
  return await openToSink(record, sink);
}

/** Writes a small file at once and whole, mode 0600. @throws the system's EEXIST when it must be new and is not */
export async function writeSecretFile(file: string, text: string, mustBeNew: boolean): Promise<void> {
  await using temporary = await TemporaryFile.beside(file);
  await temporary.write(Buffer.from(text));
  await (mustBeNew ? temporary.become(file) : temporary.replace(file));
}

/** A file nobody else opens, gone when disposed of unless it was moved. */
class TemporaryFile implements AsyncDisposable {
  readonly #path: string;
  readonly #handle: FileHandle;
  #sizeBytes = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async beside(file: string): Promise<TemporaryFile> {
    const path = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.part`);
    return new TemporaryFile(path, await open(path, 'wx', 0o600));
  }

  /** Returns the size so far, in bytes. */
  async write(bytes: Uint8Array): Promise<number> {
    await this.#handle.writeFile(bytes);
    this.#sizeBytes += bytes.length;
    return this.#sizeBytes;
  }

  /** Takes the place of `file`. */
  async replace(file: string): Promise<void> {
    await this.#handle.sync();
    await rename(this.#path, file);
    await syncFolder(file);
  }

  /** Becomes `file`, which must not exist. */
  async become(file: string): Promise<void> {
    await this.#handle.sync();
    await link(this.#path, file);
    await syncFolder(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}

async function syncFolder(file: string): Promise<void> {
  if (process.platform === 'win32') return;
  await using folder = await open(dirname(file), 'r');
  await folder.sync();
}

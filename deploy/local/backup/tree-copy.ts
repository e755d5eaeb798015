import { constants } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/** A file written so shortly before it was copied may have been written again without its time telling. */
const SETTLED_MS = 2_000;

/** Whether a file or folder of the tree is left out; its path is relative to the tree. */
export type LeaveOut = (path: string) => boolean;

/**
 * A copy of a folder that is made in passes: each takes what the one before did not have as it is now. So what a running
 * process keeps is copied beforehand, and the process is ended for no longer than what it wrote since takes.
 */
export class TreeCopy {
  readonly #from: string;
  readonly #to: string;
  readonly #leaveOut: LeaveOut;
  readonly #copied = new Map<string, string>();

  constructor(from: string, to: string, leaveOut: LeaveOut = () => false) {
    this.#from = from;
    this.#to = to;
    this.#leaveOut = leaveOut;
  }

  /** Symbolic links are left out: those of a state are made anew at every start. */
  async pass(signal: AbortSignal): Promise<void> {
    const begun = Date.now();
    const seen = new Set<string>();
    for (const path of await this.#files(this.#from, signal)) {
      signal.throwIfAborted();
      seen.add(path);
      const [from, to] = [join(this.#from, path), join(this.#to, path)];
      try {
        const { ino, size, mtimeNs, mtimeMs } = await lstat(from, { bigint: true });
        const now = `${ino} ${size} ${mtimeNs}`;
        if (this.#copied.get(path) === now) continue;
        this.#copied.delete(path);
        await mkdir(dirname(to), { recursive: true, mode: 0o700 });
        await copyFile(from, to, constants.COPYFILE_FICLONE);
        await chmod(to, 0o600);
        if (Number(mtimeMs) < begun - SETTLED_MS) this.#copied.set(path, now);
      } catch (error) {
        // What a running process has removed meanwhile.
        if (!isGone(error, from)) throw error;
        seen.delete(path);
      }
    }
    for (const path of await this.#files(this.#to, signal)) if (!seen.has(path)) await rm(join(this.#to, path));
  }

  async #files(root: string, signal: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    const into = async (folder: string): Promise<void> => {
      signal.throwIfAborted();
      for (const entry of await entriesOf(folder)) {
        const path = join(folder, entry.name);
        if (this.#leaveOut(relative(root, path))) continue;
        if (entry.isDirectory()) await into(path);
        else if (entry.isFile()) found.push(relative(root, path));
      }
    };
    await into(root);
    return found;
  }
}

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isGone(error, folder)) return [];
    throw error;
  }
}

function isGone(error: unknown, path: string): boolean {
  const { code, path: about } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' && about === path;
}

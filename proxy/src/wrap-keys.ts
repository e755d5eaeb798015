import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from './failpoints.ts';
import { type SecretFiles, shred } from './sealed-file.ts';

const KEY_BYTES = 32;

/**
 * One random key for each grant, under which its key fragments are encrypted, in a file of its own outside the database.
 * Whoever has only the database, or a copy of it, has nothing; a grant's fragments end with its file.
 */
export class WrapKeys {
  readonly #folder: string;
  readonly #files: SecretFiles;

  constructor(folder: string, files: SecretFiles) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#files = files;
  }

  create(grantId: string): Uint8Array {
    const key = randomBytes(KEY_BYTES);
    this.#files.write(this.#file(grantId), key, grantId);
    return key;
  }

  /** Undefined when it is gone. @throws STORE_BROKEN */
  read(grantId: string): Uint8Array | undefined {
    return this.has(grantId) ? this.#files.read(this.#file(grantId), grantId) : undefined;
  }

  has(grantId: string): boolean {
    return existsSync(this.#file(grantId));
  }

  /** Overwrites and removes the key; nothing happens when it is gone already. */
  destroy(grantId: string): void {
    const file = this.#file(grantId);
    if (existsSync(file)) shred(file, () => failpoint('destruction.overwritten'));
    failpoint('destruction.unlinked');
  }

  /** Removes the keys of grants that `known` does not know: left by a crash between key and row. */
  destroyOthers(known: (grantId: string) => boolean): void {
    for (const name of readdirSync(this.#folder)) {
      if (name.endsWith('.new') || !known(name)) shred(join(this.#folder, name));
    }
  }

  #file(grantId: string): string {
    return join(this.#folder, grantId);
  }
}

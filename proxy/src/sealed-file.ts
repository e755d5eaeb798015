import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { onDisk } from './disk.ts';
import { ProxyError } from './errors.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM: nonce 12 | ciphertext | tag 16. `bound` is authenticated with it. */
export function encrypt(key: Uint8Array, plaintext: Uint8Array, bound: string): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(bound));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** @throws STORE_BROKEN */
export function decrypt(key: Uint8Array, sealed: Uint8Array, bound: string): Uint8Array {
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(bound))
      .setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new ProxyError('STORE_BROKEN', 'what is stored does not open with its key', { cause });
  }
}

/** Files of secrets, each readable by its owner alone and, given a master key, encrypted under it. */
export class SecretFiles {
  readonly #masterKey: Uint8Array | undefined;

  constructor(masterKey: Uint8Array | undefined) {
    this.#masterKey = masterKey;
  }

  /**
   * Writes the file whole or not at all, and returns when the disk has it. `name` is bound to the contents.
   * @throws DISK_FULL
   */
  write(file: string, secret: Uint8Array, name: string): void {
    const bytes = this.#masterKey === undefined ? secret : encrypt(this.#masterKey, secret, name);
    const fresh = `${file}.new`;
    onDisk(() => {
      try {
        writeSynced(fresh, bytes);
        renameSync(fresh, file);
        syncFolder(dirname(file));
      } catch (error) {
        rmSync(fresh, { force: true });
        throw error;
      }
    });
  }

  /** @throws STORE_BROKEN; the error of the file system when there is none */
  read(file: string, name: string): Uint8Array {
    const bytes = readFileSync(file);
    return this.#masterKey === undefined ? bytes : decrypt(this.#masterKey, bytes, name);
  }
}

/** Overwrites a file, then removes it. `between` runs when the overwriting is on the disk. */
export function shred(file: string, between: () => void = () => undefined): void {
  const length = readFileSync(file).length;
  const handle = openSync(file, 'r+');
  try {
    writeSync(handle, randomBytes(length), 0, length, 0);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  between();
  unlinkSync(file);
  syncFolder(dirname(file));
}

function writeSynced(file: string, bytes: Uint8Array): void {
  const handle = openSync(file, 'w', 0o600);
  try {
    // A disk that is almost full takes a part: this goes on until all is written or refused.
    writeFileSync(handle, bytes);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

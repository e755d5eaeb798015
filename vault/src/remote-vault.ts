import { BlockReader } from './block-reader.ts';
import type { Cid } from './cid.ts';
import type { HolderOptions } from './holders.ts';
import type { GetOptions, Vault, Verification, VerifyOptions } from './vault.ts';
import { VaultError } from './vault-error.ts';
import { VaultLife } from './vault-life.ts';

/** Reads from the holders alone, going on to the next one block by block; for a requester that keeps nothing. */
export function openRemoteVault(options: HolderOptions): Vault {
  return new RemoteVault(options);
}

class RemoteVault implements Vault {
  readonly #reader: BlockReader;
  readonly #life = new VaultLife();

  constructor(options: HolderOptions) {
    this.#reader = new BlockReader(options);
  }

  async *get(cid: Cid, options: GetOptions): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#reader.get(cid, { ...options, signal: this.#life.signal(options.signal) });
  }

  verify(cid: Cid, options: VerifyOptions = {}): Promise<Verification> {
    return this.#life.run(options.signal, (signal) => this.#reader.verify(cid, { ...options, signal }));
  }

  async put(): Promise<never> {
    throw readOnly();
  }

  async pin(): Promise<never> {
    throw readOnly();
  }

  async unpin(): Promise<never> {
    throw readOnly();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life.close();
  }
}

function readOnly(): VaultError {
  return new VaultError('READ_ONLY', 'this vault keeps nothing itself');
}

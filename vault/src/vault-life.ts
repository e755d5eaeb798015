import { VaultError } from './vault-error.ts';

/** Tells every call under way that the vault is being closed, and lets closing wait for them. */
export class VaultLife {
  readonly #end = new AbortController();
  readonly #calls = new Set<Promise<unknown>>();

  /** Runs a call with a signal that also fires on closing. @throws CLOSED */
  async run<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const call = work(this.signal(signal));
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  /** The caller's signal joined with the vault's own. @throws CLOSED, or the reason of an aborted signal */
  signal(signal: AbortSignal | undefined): AbortSignal {
    const joined = AbortSignal.any(signal === undefined ? [this.#end.signal] : [this.#end.signal, signal]);
    joined.throwIfAborted();
    return joined;
  }

  async close(): Promise<void> {
    this.#end.abort(new VaultError('CLOSED', 'the vault is closed'));
    await Promise.allSettled(this.#calls);
  }
}

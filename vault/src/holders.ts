import { type Cid, isBlock, MAX_BLOCK_BYTES } from './cid.ts';
import type { VaultFault } from './vault.ts';
import { VaultError } from './vault-error.ts';

const SUSPECT_FOR_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 15_000;

/** How blocks are fetched from other vaults. */
export interface HolderOptions {
  /** Base URLs of IPFS trustless gateways, most wanted first; a function is asked again for every block. */
  holders?: readonly string[] | (() => readonly string[]) | undefined;
  /** Time one holder has to hand over one block whole, in milliseconds; 15 s when left out. */
  holderTimeoutMs?: number | undefined;
  /** Takes the place of the global `fetch`, for client certificates or a proxy. */
  fetch?: typeof globalThis.fetch | undefined;
  onFault?: ((fault: VaultFault) => void) | undefined;
}

/**
 * Other vaults, reached over HTTP as IPFS trustless gateways (https://specs.ipfs.tech/http-gateways/trustless-gateway/).
 * One that lies, stalls or fails is asked last for a minute.
 */
export class Holders {
  readonly #options: HolderOptions;
  readonly #suspectUntil = new Map<string, number>();
  #lastGood: string | undefined;

  constructor(options: HolderOptions) {
    this.#options = options;
  }

  /**
   * The block, verified.
   *
   * @throws BLOCK_MISSING when all answered and none has it; BLOCK_CORRUPT when all answered and one or more had other
   * bytes; UNAVAILABLE when one or more could not be asked
   */
  async fetch(cid: Cid, signal?: AbortSignal): Promise<Uint8Array> {
    let lied = false;
    let failure: unknown;
    for (const holder of this.#inOrder()) {
      try {
        const bytes = await this.#fetchFrom(holder, cid, signal);
        if (bytes === null) continue;
        if (isBlock(cid, bytes)) {
          this.#trust(holder);
          return bytes;
        }
        lied = true;
        this.#suspect({ kind: 'holder-corrupt', cid, holder });
      } catch (cause) {
        signal?.throwIfAborted();
        if (cause instanceof VaultError && cause.code === 'TOO_LARGE') {
          lied = true;
          this.#suspect({ kind: 'holder-corrupt', cid, holder, cause });
        } else {
          failure = cause;
          this.#suspect({ kind: 'holder-unavailable', cid, holder, cause });
        }
      }
    }
    if (failure !== undefined)
      throw new VaultError('UNAVAILABLE', 'no holder gave the block, and not all could be asked', {
        cid,
        cause: failure,
      });
    if (lied) throw new VaultError('BLOCK_CORRUPT', 'holders have other bytes for the block', { cid });
    throw new VaultError('BLOCK_MISSING', 'no holder has the block', { cid });
  }

  #inOrder(): string[] {
    const { holders = [] } = this.#options;
    const now = performance.now();
    const rank = (holder: string) =>
      (this.#suspectUntil.get(holder) ?? 0) > now ? 2 : holder === this.#lastGood ? 0 : 1;
    return (typeof holders === 'function' ? holders() : holders).toSorted((a, b) => rank(a) - rank(b));
  }

  #trust(holder: string): void {
    this.#lastGood = holder;
    this.#suspectUntil.delete(holder);
  }

  #suspect(fault: VaultFault & { holder: string }): void {
    this.#suspectUntil.set(fault.holder, performance.now() + SUSPECT_FOR_MS);
    this.#options.onFault?.(fault);
  }

  async #fetchFrom(holder: string, cid: Cid, signal: AbortSignal | undefined): Promise<Uint8Array | null> {
    const { fetch = globalThis.fetch, holderTimeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    const timeout = new AbortController();
    const timer = setTimeout(
      () => timeout.abort(new VaultError('UNAVAILABLE', 'the holder took too long', { cid })),
      holderTimeoutMs,
    );
    try {
      const url = new URL(`ipfs/${cid}?format=raw`, holder.endsWith('/') ? holder : `${holder}/`);
      const response = await fetch(url, {
        headers: { accept: 'application/vnd.ipld.raw', 'accept-encoding': 'identity' },
        redirect: 'error',
        signal: signal === undefined ? timeout.signal : AbortSignal.any([timeout.signal, signal]),
      });
      if (response.status === 200) return await readBody(response, cid);
      await response.body?.cancel();
      if (response.status === 404 || response.status === 410) return null;
      throw new VaultError('UNAVAILABLE', `the holder answered ${response.status}`, { cid });
    } finally {
      clearTimeout(timer);
    }
  }
}

async function readBody(response: Response, cid: Cid): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BLOCK_BYTES)
      throw new VaultError('TOO_LARGE', `a block of more than ${MAX_BLOCK_BYTES} bytes`, { cid });
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, sizeBytes);
}

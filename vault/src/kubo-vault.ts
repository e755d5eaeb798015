import type { KuboRPCClient } from 'kubo-rpc-client';
import { CID } from 'multiformats/cid';
import { BlockReader, type LocalStore } from './block-reader.ts';
import { type Cid, fromCid, isBlock, isLeaf } from './cid.ts';
import { importDag } from './dag.ts';
import type { HolderOptions } from './holders.ts';
import type {
  CallOptions,
  GetOptions,
  LocalBlock,
  LocalBlocks,
  PutOptions,
  StoredVault,
  Verification,
  VerifyOptions,
} from './vault.ts';
import { VaultError } from './vault-error.ts';
import { VaultLife } from './vault-life.ts';

const DEFAULT_TIMEOUT_MS = 15_000;
/** Kubo reads the whole DAG before it pins. */
const PIN_TIMEOUT_FACTOR = 20;

/** What {@link openKuboVault} takes. */
export interface KuboVaultOptions extends HolderOptions {
  /** The RPC of a Kubo of one's own, which is trusted to be the right one, not to keep its disk in order: `http://127.0.0.1:5001`. */
  url: string;
  /** Time Kubo has for one call, in milliseconds; 15 s when left out. */
  kuboTimeoutMs?: number | undefined;
}

/**
 * Keeps blocks in a Kubo. Files are cut here and stored block by block, so that the CIDs do not depend on its settings.
 * What Kubo does not have at hand comes from the holders; Kubo itself is never made to search its network.
 *
 * @throws UNAVAILABLE when Kubo does not answer
 */
export async function openKuboVault(options: KuboVaultOptions): Promise<StoredVault> {
  const { create } = await import('kubo-rpc-client');
  const kubo = new KuboBlocks(create({ url: options.url }), options.kuboTimeoutMs ?? DEFAULT_TIMEOUT_MS);
  await kubo.greet();
  return new KuboVault(options, kubo);
}

/** Options Kubo knows and its client's types do not. */
const OFFLINE: { offline: true } & CallOptions = { offline: true };

class KuboBlocks implements LocalStore {
  readonly #client: KuboRPCClient;
  readonly #timeoutMs: number;

  constructor(client: KuboRPCClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  async greet(): Promise<void> {
    await this.#ask(undefined, (signal) => this.#client.version({ signal }));
  }

  async read(cid: Cid, { signal }: CallOptions = {}): Promise<LocalBlock> {
    const bytes = await this.#ask(
      signal,
      (stop) => this.#client.block.get(CID.parse(cid), { ...OFFLINE, signal: stop }),
      {
        'not found': 'missing' as const,
        'different hash': 'corrupt' as const,
      },
    );
    return typeof bytes === 'string' || isBlock(cid, bytes) ? bytes : 'corrupt';
  }

  async replace(cid: Cid, bytes: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    await this.write(cid, bytes, signal);
    if (!((await this.read(cid, { signal })) instanceof Uint8Array)) {
      throw new VaultError('UNAVAILABLE', 'Kubo kept its bad block; see the settings in the README', { cid });
    }
  }

  async write(cid: Cid, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const how = { cidCodec: isLeaf(cid) ? 'raw' : 'dag-pb', mhtype: 'sha2-256', allowBigBlock: true };
    const stored = await this.#ask(signal, (stop) => this.#client.block.put(bytes, { ...how, signal: stop }));
    if (fromCid(stored) !== cid)
      throw new VaultError('UNAVAILABLE', 'Kubo stored the block under another CID', { cid });
  }

  /** Kubo is not asked about the block: to see which pin reaches it, it would search its network for what it lost above. */
  async wanted(_: Cid, root: Cid): Promise<boolean> {
    const list = async (stop: AbortSignal) => {
      const pins = this.#client.pin.ls({ paths: [CID.parse(root)], type: 'recursive', signal: stop });
      return (await pins[Symbol.asyncIterator]().next()).done !== true;
    };
    return this.#ask(undefined, list, { 'not pinned': false });
  }

  async pin(cid: Cid, signal: AbortSignal): Promise<void> {
    const add = (stop: AbortSignal) => this.#client.pin.add(CID.parse(cid), { ...OFFLINE, signal: stop });
    await this.#ask(signal, add, {}, this.#timeoutMs * PIN_TIMEOUT_FACTOR);
  }

  async unpin(cid: Cid, signal: AbortSignal): Promise<void> {
    await this.#ask(signal, (stop) => this.#client.pin.rm(CID.parse(cid), { signal: stop }), { 'not pinned': null });
  }

  /** Kubo tells its errors apart by their wording alone: `told` maps a part of it to an answer. */
  async #ask<T, A = never>(
    signal: AbortSignal | undefined,
    call: (signal: AbortSignal) => Promise<T>,
    told: Record<string, A> = {},
    timeoutMs = this.#timeoutMs,
  ): Promise<T | A> {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await call(signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
    } catch (cause) {
      signal?.throwIfAborted();
      const wording = cause instanceof Error && cause.name === 'HTTPError' ? cause.message : '';
      const known = Object.entries(told).find(([part]) => wording.includes(part));
      if (known !== undefined) return known[1];
      if (wording.includes('no space left')) throw new VaultError('DISK_FULL', 'Kubo has no room left', { cause });
      throw new VaultError('UNAVAILABLE', 'Kubo did not do it', { cause });
    }
  }
}

class KuboVault implements StoredVault {
  readonly blocks: LocalBlocks;
  readonly #kubo: KuboBlocks;
  readonly #reader: BlockReader;
  readonly #life = new VaultLife();

  constructor(options: HolderOptions, kubo: KuboBlocks) {
    this.#kubo = kubo;
    this.#reader = new BlockReader(options, kubo);
    this.blocks = {
      read: (cid, { signal } = {}) => this.#life.run(signal, (joined) => kubo.read(cid, { signal: joined })),
    };
  }

  get faults() {
    return this.#reader.faults;
  }

  put(source: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<{ cid: Cid; sizeBytes: number }> {
    return this.#life.run(options.signal, async (signal) => {
      const write = (block: Cid, bytes: Uint8Array) => this.#kubo.write(block, bytes, signal);
      const added = await importDag(source, write, { ...options, signal });
      await this.#kubo.pin(added.cid, signal);
      return added;
    });
  }

  async *get(cid: Cid, options: GetOptions): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#reader.get(cid, { ...options, signal: this.#life.signal(options.signal) });
  }

  pin(cid: Cid, options: CallOptions & { sizeBytes: number }): Promise<void> {
    return this.#life.run(options.signal, async (signal) => {
      const store = (block: Cid, bytes: Uint8Array) => this.#kubo.replace(block, bytes, { signal });
      await this.#reader.replicate(cid, { sizeBytes: options.sizeBytes, signal }, { keep: () => undefined, store });
      await this.#kubo.pin(cid, signal);
    });
  }

  unpin(cid: Cid): Promise<void> {
    return this.#life.run(undefined, (signal) => this.#kubo.unpin(cid, signal));
  }

  verify(cid: Cid, options: VerifyOptions = {}): Promise<Verification> {
    return this.#life.run(options.signal, (signal) => this.#reader.verify(cid, { ...options, signal }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life.close();
  }
}

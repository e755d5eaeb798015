import { documentId, OpenedReceipt, parseSigned, type SignedBy } from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import type { ReceiptReply } from './api.ts';
import type { Directory } from './directory.ts';
import type { Envelopes } from './envelopes.ts';
import { RelayError, refusal, refusalOf } from './errors.ts';
import { failpoint } from './failpoints.ts';
import { backoffMs, type Queues, type Task, type Verdict } from './queues.ts';
import type { RedisConnections } from './redis.ts';
import type { Signals } from './signals.ts';
import { postJson, under } from './wire.ts';

export type SignedReceipt = SignedBy<typeof OpenedReceipt>;

export interface ReceiptsOptions {
  readonly region: string;
  readonly chain: RegionalChain;
  readonly directory: Directory;
  readonly envelopes: Envelopes;
  readonly queues: Queues;
  readonly signals: Signals;
  readonly redis: RedisConnections;
  readonly fetch: typeof globalThis.fetch;
}

const WAIT_MS = 8000;
const MAX_BATCH = 64;
const PAUSE_MS = 1000;
const GATHER_MS = 100;
const MAX_REPLY_BYTES = 64 * 1024;
const FORWARD_ATTEMPTS = 200;

/** Opened-receipts on their way to the home chain, where many go into one transaction. */
export class Receipts {
  readonly #options: ReceiptsOptions;
  readonly #key: string;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
    this.#key = `${options.redis.prefix}:receipts`;
  }

  /** Takes a receipt of any home region, and waits a little for its commit. @throws REGION_UNKNOWN QUEUE_UNAVAILABLE */
  async submit(receipt: SignedReceipt): Promise<ReceiptReply> {
    const home = receipt.document.region;
    if (home === this.#options.region) return this.accept(receipt);
    await this.#options.directory.activeRegion(home);
    const id = documentId(OpenedReceipt.type, receipt.document);
    return this.#await(id, () => this.#options.queues.add('mirror', 'forward', `forward:${id}`, { receipt }));
  }

  /** Home side. @throws what the contract refuses; QUEUE_UNAVAILABLE */
  async accept(receipt: SignedReceipt): Promise<ReceiptReply> {
    const { redis, queues } = this.#options;
    const id = documentId(OpenedReceipt.type, receipt.document);
    return this.#await(id, async () => {
      await redis.commands.hset(this.#key, id, JSON.stringify(receipt));
      failpoint('receipt.received');
      await queues.add('mirror', 'receipts', 'receipts', {}, { delay: GATHER_MS });
    });
  }

  /** Job `forward`: carries one receipt to its home region. */
  async forward({ data, attempt }: Task): Promise<Verdict> {
    const receipt = receiptOf((data as { receipt?: unknown } | null)?.receipt);
    const { directory, envelopes, fetch, signals } = this.#options;
    const { region } = receipt.document;
    const id = documentId(OpenedReceipt.type, receipt.document);
    if (attempt > FORWARD_ATTEMPTS) throw new RelayError('JOB_INVALID', 'the home region cannot be reached');
    const { relays } = await directory.activeRegion(region).catch((error: unknown) => {
      const unknown = error instanceof RelayError && error.code === 'REGION_UNKNOWN';
      throw unknown ? new RelayError('JOB_INVALID', 'no such home region', { cause: error }) : error;
    });
    const relay = relays[(attempt - 1) % relays.length];
    const envelope = await envelopes.seal(region, 'receipt', { receipt });
    const options = { fetch, timeoutMs: WAIT_MS + 4000, maxBytes: MAX_REPLY_BYTES };
    try {
      const reply = await postJson(under(relay?.url ?? '', '/v1/relay'), envelope, options);
      const { document } = await envelopes.openReply(
        reply,
        region,
        'accepted',
        documentId('envelope', envelope.document),
      );
      if ((document.body as ReceiptReply).state !== 'committed') return { againInMs: backoffMs(attempt) };
    } catch (error) {
      const code = error instanceof RelayError ? error.remoteCode : undefined;
      if (code !== undefined && PERMANENT.has(code)) {
        await signals.send(id, { kind: 'refused', code, message: 'the home region refused the receipt' });
        throw new RelayError('JOB_INVALID', code, { cause: error });
      }
      throw error;
    }
    await signals.send(id, { kind: 'decided' });
    return 'done';
  }

  /** Whether there is something for the job `receipts`. */
  async isDue(): Promise<boolean> {
    return (await this.#options.redis.commands.hlen(this.#key)) > 0;
  }

  /** Job `receipts`: writes what has come, in one transaction. */
  async run(): Promise<Verdict> {
    const { redis } = this.#options;
    const found = await redis.commands.hrandfield(this.#key, MAX_BATCH, 'WITHVALUES');
    const pairs = (found as unknown as string[]) ?? [];
    const batch: [string, SignedReceipt][] = [];
    for (let index = 0; index < pairs.length; index += 2) {
      const [id = '', text = ''] = pairs.slice(index, index + 2);
      try {
        batch.push([id, receiptOf(JSON.parse(text))]);
      } catch {
        await redis.commands.hdel(this.#key, id);
      }
    }
    if (batch.length === 0) return 'done';
    await this.#commit(batch);
    failpoint('receipt.committed');
    return (await redis.commands.hlen(this.#key)) > 0 ? { againInMs: PAUSE_MS } : 'done';
  }

  /** One refused receipt must not hold the others up. */
  async #commit(batch: readonly [string, SignedReceipt][]): Promise<void> {
    const { chain, redis, signals } = this.#options;
    try {
      await chain.opened(batch.map(([, receipt]) => receipt));
      await Promise.all(batch.map(([id]) => signals.send(id, { kind: 'decided' })));
    } catch (error) {
      const code = refusalOf(error);
      if (code === undefined) throw error;
      if (batch.length > 1) {
        for (const pair of batch) await this.#commit([pair]);
        return;
      }
      const { message } = refusal(error);
      await Promise.all(batch.map(([id]) => signals.send(id, { kind: 'refused', code, message })));
    }
    await redis.commands.hdel(this.#key, ...batch.map(([id]) => id));
  }

  async #await(id: string, begin: () => Promise<void>): Promise<ReceiptReply> {
    using waiting = this.#options.signals.next(id, WAIT_MS);
    await begin();
    const signal = await waiting.signal;
    if (signal?.kind === 'refused')
      throw new RelayError('RECEIPT_REFUSED', signal.message, { remoteCode: signal.code });
    return { state: signal?.kind === 'decided' ? 'committed' : 'queued' };
  }
}

/** Refusals that no second try changes. */
const PERMANENT = new Set([
  'CERTIFICATE_INVALID',
  'DOCUMENT_MALFORMED',
  'RECEIPT_MISMATCH',
  'RECEIPT_REFUSED',
  'RELEASE_UNKNOWN',
  'SIGNATURE_INVALID',
]);

function receiptOf(value: unknown): SignedReceipt {
  try {
    return parseSigned(OpenedReceipt, value);
  } catch (cause) {
    throw new RelayError('JOB_INVALID', 'malformed receipt', { cause });
  }
}

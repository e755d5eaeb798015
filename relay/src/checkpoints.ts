import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from '@yilian/ledger';
import type { MainChain } from '@yilian/main-chain';
import { Checkpoint, toBase64url } from '@yilian/protocol';
import { followChain, OutcomeLog, type RegionalChain, readOutcome } from '@yilian/regional-chain';
import type { Logger } from 'pino';
import type { Witnesses } from './attestations.ts';
import { failpoint } from './failpoints.ts';
import { cosign } from './main-height.ts';
import { nameOf, type Verdict } from './queues.ts';

export interface CheckpointsOptions {
  readonly federation: string;
  readonly region: string;
  readonly connection: Connection;
  readonly channel: string;
  readonly chain: RegionalChain;
  readonly main: MainChain;
  readonly proxies: Witnesses;
  readonly log: Logger;
  /** Checkpoints come at least this far apart. */
  readonly everyMs: number;
}

const RETRY_MS = 1000;

/** Anchors the region's outcomes: a Merkle root that the proxies recompute and sign, on the main chain. */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #outcomes = new OutcomeLog();
  readonly #stopping = new AbortController();
  #following: Promise<void> = Promise.resolve();
  /** The size that is being signed: proxies that are behind shall find it again. */
  #size = 0;
  /** The largest size that the main chain is known to have. */
  #anchored = 0;
  #anchoredAt = 0;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  get isDue(): boolean {
    return this.#outcomes.size > this.#anchored && Date.now() - this.#anchoredAt >= this.#options.everyMs;
  }

  /** Reads the chain's outcomes from the first block on. */
  start(): void {
    this.#following = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
  }

  async run(): Promise<Verdict> {
    const { federation, region, main, proxies, log } = this.#options;
    if (!this.isDue) return 'done';
    const last = (await main.checkpoint(region))?.document;
    const anchored = last?.size ?? 0;
    if (anchored > this.#outcomes.size) return 'done';
    if (last !== undefined && toBase64url(this.#outcomes.root(last.size)) !== last.root) {
      log.error('the main chain holds another checkpoint of this region than its chain gives');
      return 'done';
    }
    this.#anchored = anchored;
    if (anchored === this.#outcomes.size) return 'done';
    if (this.#size <= anchored) this.#size = this.#outcomes.size;
    const root = toBase64url(this.#outcomes.root(this.#size));
    const document: Checkpoint = { federation, region, size: this.#size, root, at: Date.now() };
    const signed = await cosign(Checkpoint, document, proxies, '/v1/checkpoints', 'checkpoint');
    failpoint('checkpoint.signed');
    const consistency = anchored === 0 ? [] : this.#outcomes.consistencyProof(anchored, this.#size).map(toBase64url);
    await main.anchor(signed, consistency);
    failpoint('checkpoint.anchored');
    this.#anchored = this.#size;
    this.#anchoredAt = Date.now();
    return 'done';
  }

  async #follow(): Promise<void> {
    const { connection, channel, chain, log } = this.#options;
    const { signal } = this.#stopping;
    const onBreak = (error: unknown) => log.info({ error: nameOf(error) }, 'the chain’s events broke off');
    for await (const event of followChain(connection, channel, { signal, onBreak })) {
      while (event.kind === 'outcome' && !signal.aborted) {
        try {
          this.#outcomes.append((await readOutcome(chain, event)).leaf);
          break;
        } catch (error) {
          log.warn({ error: nameOf(error) }, 'an outcome could not be read');
          await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
        }
      }
    }
  }
}

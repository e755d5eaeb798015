import type { RegionalChain, RequestEntry, WaitingRequest } from '@yilian/regional-chain';
import type { Logger } from 'pino';
import type { Absences } from './absences.ts';
import type { Answers } from './answers.ts';
import type { Decisions } from './decisions.ts';
import type { Directory } from './directory.ts';
import { type Legs, priorityOf } from './legs.ts';
import type { MainHeights } from './main-height.ts';
import type { Metrics } from './metrics.ts';
import type { Neighbours } from './neighbours.ts';
import type { OutcomeMirror } from './outcome-mirror.ts';
import { nameOf, type Queues } from './queues.ts';

export interface ScannerOptions {
  readonly region: string;
  readonly chain: RegionalChain;
  readonly directory: Directory;
  readonly heights: MainHeights;
  readonly answers: Answers;
  readonly legs: Legs;
  readonly absences: Absences;
  readonly outcomes: OutcomeMirror;
  readonly decisions: Decisions;
  readonly neighbours: Neighbours;
  readonly queues: Queues;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly everyMs: number;
  /** Jobs of the `mirror` queue, each with whether there is something for it to do. */
  readonly duties: ReadonlyMap<string, () => Promise<boolean>>;
}

const MAX_WAITING = 200;
const PAGE = 1000;
const MAX_SCANNED = 20_000;

/** Anti-entropy: compares the chains with the queues and starts again whatever is missing. */
export class Scanner {
  readonly #options: ScannerOptions;
  readonly #stopping = new AbortController();
  /** What the grants of each waiting request looked like when it was last decided. */
  readonly #seen = new Map<string, string>();
  #running: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #offset = 0;

  constructor(options: ScannerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.scan().finally(() => {
      if (!this.#stopping.signal.aborted) this.#timer = setTimeout(() => this.start(), this.#options.everyMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Every part by itself: one chain that does not answer must not keep the others from being looked after. */
  async scan(): Promise<void> {
    const { directory, heights, neighbours, queues, duties } = this.#options;
    await Promise.all([
      this.#part('view', async () => {
        await directory.refresh();
        if (heights.due) await heights.renew();
      }),
      ...[...duties].map(([duty, isDue]) =>
        this.#part(duty, async () => {
          if (await isDue()) await queues.add('mirror', duty, duty, {});
        }),
      ),
      this.#part('neighbours', () => neighbours.greet()),
      this.#part('pending', () => this.#pending()),
      this.#part('waiting', () => this.#waiting()),
    ]);
  }

  async #part(part: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#options.log.warn({ part, error: nameOf(error) }, 'scan');
    }
  }

  /** Requests without a last word: an answer that is here is mirrored, the others are asked for again. */
  async #pending(): Promise<void> {
    const { chain, region, answers, legs, absences, outcomes, metrics } = this.#options;
    const pending = await allOf((last: RequestEntry | undefined) => chain.pending(last?.requestId));
    metrics.unsettled.set(pending.length);
    for (const { requestId, homes, signed } of pending) {
      if (homes.length === 0) await absences.start(requestId, signed);
      for (const home of homes) {
        if (home === region) continue;
        if (await answers.has(requestId, home)) await outcomes.add(requestId, home);
        else await legs.start(requestId, home, undefined, priorityOf(signed));
      }
    }
  }

  /** Requests that wait for consent: decided again when the patient's grants changed, or when their time is over. */
  async #waiting(): Promise<void> {
    const waiting = await allOf((last: WaitingRequest | undefined) =>
      this.#options.chain.waiting('', last && `${last.request.document.pseudonym}/${last.requestId}`),
    );
    const known = new Set(waiting.map(({ requestId }) => requestId));
    for (const requestId of this.#seen.keys()) if (!known.has(requestId)) this.#seen.delete(requestId);
    const start = waiting.length > MAX_WAITING ? this.#offset % waiting.length : 0;
    this.#offset = start + MAX_WAITING;
    for (const entry of [...waiting.slice(start), ...waiting.slice(0, start)].slice(0, MAX_WAITING)) {
      if (await this.#changed(entry)) await this.#options.decisions.again(entry.request, entry.keyCertificate);
    }
  }

  async #changed({ requestId, request, denial }: WaitingRequest): Promise<boolean> {
    const { pseudonym, keyCertificate, notAfter } = request.document;
    if (denial !== undefined || Date.now() > notAfter) return true;
    const grants = await this.#options.chain.grants(pseudonym, keyCertificate);
    const ripe = grants.filter(
      ({ grant, acknowledgedBy, revokedAt }) => acknowledgedBy.length >= grant.threshold || revokedAt !== undefined,
    );
    const look = ripe
      .map(({ grantId, acknowledgedBy, revokedAt }) => `${grantId} ${acknowledgedBy.length} ${revokedAt ?? ''}`)
      .join();
    if (look === (this.#seen.get(requestId) ?? '')) return false;
    this.#seen.set(requestId, look);
    return true;
  }
}

/** Pages of at most 1000 entries, to the end or to a bound that keeps one scan short. */
async function allOf<T>(page: (last: T | undefined) => Promise<T[]>): Promise<T[]> {
  const all: T[] = [];
  let found: T[];
  do {
    found = await page(all.at(-1));
    all.push(...found);
  } while (found.length === PAGE && all.length < MAX_SCANNED);
  return all;
}

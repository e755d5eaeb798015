import type { Directory } from './directory.ts';
import { ping, under } from './wire.ts';

export interface NeighboursOptions {
  readonly region: string;
  readonly directory: Directory;
  readonly fetch: typeof globalThis.fetch;
}

/** Sooner than a relay closes a connection on which nothing comes (30 s). */
const EVERY_MS = 20_000;
const TIMEOUT_MS = 5000;

/**
 * Keeps a connection to every other region's relay open: a question that has to open one first waits a round trip longer, and
 * two or three with TLS.
 */
export class Neighbours {
  readonly #options: NeighboursOptions;
  #at = Number.NEGATIVE_INFINITY;

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  /** Says a word to each, if it is time to. Whether anybody answers is for questions to find out. @throws VIEW_STALE */
  async greet(): Promise<void> {
    const { region, directory, fetch } = this.#options;
    if (performance.now() - this.#at < EVERY_MS) return;
    this.#at = performance.now();
    const { regions } = await directory.view();
    for (const { entry } of regions) {
      const [relay] = entry.relays;
      if (relay === undefined || entry.frozen || entry.region === region) continue;
      ping(under(relay.url, '/health'), { fetch, timeoutMs: TIMEOUT_MS }).catch(() => undefined);
    }
  }
}

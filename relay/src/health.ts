import type { MainChain } from '@yilian/main-chain';
import type { RegionalChain } from '@yilian/regional-chain';
import type { ReadyReply } from './api.ts';
import type { Directory } from './directory.ts';
import { readInfo } from './durability.ts';
import type { Metrics } from './metrics.ts';
import { QUEUE_NAMES, type QueueName, type Queues } from './queues.ts';
import type { RedisConnections } from './redis.ts';

const MAX_VIEW_AGE_MS = 30_000;

/** Whether the relay can do its work, and its figures. */
export class Health {
  readonly #redis: RedisConnections;
  readonly #chain: RegionalChain;
  readonly #main: MainChain;
  readonly #directory: Directory;
  readonly #queues: Queues;
  readonly #metrics: Metrics;

  constructor(
    redis: RedisConnections,
    chain: RegionalChain,
    main: MainChain,
    directory: Directory,
    queues: Queues,
    metrics: Metrics,
  ) {
    this.#redis = redis;
    this.#chain = chain;
    this.#main = main;
    this.#directory = directory;
    this.#queues = queues;
    this.#metrics = metrics;
  }

  async ready(): Promise<ReadyReply> {
    const holds = (work: Promise<unknown>) =>
      work.then(
        () => true,
        () => false,
      );
    const [redis, regional, main] = await Promise.all([
      holds(this.#redis.commands.ping()),
      holds(this.#chain.foundation()),
      holds(this.#main.foundation()),
    ]);
    const viewAgeMs = this.#directory.ageMs;
    return { ready: redis && regional && main && viewAgeMs <= MAX_VIEW_AGE_MS, redis, regional, main, viewAgeMs };
  }

  async metrics(): Promise<string> {
    this.#metrics.mirrorAge.set(this.#directory.ageMs / 1000);
    await Promise.all([this.#redisFigures(), ...QUEUE_NAMES.map((queue) => this.#queueFigures(queue))]);
    return this.#metrics.registry.metrics();
  }
  async #redisFigures(): Promise<void> {
    const text = await this.#redis.commands.info().catch(() => undefined);
    this.#metrics.redis(text === undefined ? undefined : readInfo(text));
  }

  async #queueFigures(queue: QueueName): Promise<void> {
    const counts = await this.#queues.counts(queue).catch(() => ({}));
    for (const [state, count] of Object.entries(counts)) {
      if (state === 'failed') this.#metrics.deadLetters.set({ queue }, count);
      else this.#metrics.depth.set({ queue, state }, count);
    }
  }
}

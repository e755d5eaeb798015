import { setTimeout as delay } from 'node:timers/promises';
import { DelayedError, type Job, type JobsOptions, Queue, UnrecoverableError, Worker } from 'bullmq';
import type { Logger } from 'pino';
import { RelayError } from './errors.ts';
import type { Metrics } from './metrics.ts';
import type { RedisConnections } from './redis.ts';

export type QueueName = 'legs' | 'decide' | 'mirror';
export const QUEUE_NAMES: readonly QueueName[] = ['legs', 'decide', 'mirror'];

/** What a worker says about a job: done, or to be run again later. */
export type Verdict = 'done' | { readonly againInMs: number };

/** A job as workers see it. Its data come from Redis and are not trusted. */
export interface Task {
  readonly name: string;
  readonly data: unknown;
  /** How often it was begun, this time included. */
  readonly attempt: number;
}

/** A job whose worker died or was held up is begun again so often; a worker that was only slow does it twice, harmlessly. */
const MAX_STALLED = 50;
const REDIS_DEADLINE_MS = 1000;
const CLOSE_DEADLINE_MS = 5000;
const KEEP_FAILED = { count: 1000, age: 7 * 86_400 } as const;

/** The relay's three queues. A job whose content is wrong becomes a dead letter; everything else is tried again. */
export class Queues {
  readonly #queues: ReadonlyMap<QueueName, Queue>;
  readonly #workers: Worker[] = [];
  readonly #running = new Set<Promise<Verdict>>();
  readonly #redis: RedisConnections;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #lockMs: number;

  /** `lockMs`: how long a dead worker's jobs stay its own. */
  constructor(redis: RedisConnections, metrics: Metrics, log: Logger, lockMs: number) {
    this.#redis = redis;
    this.#metrics = metrics;
    this.#log = log;
    this.#lockMs = lockMs;
    this.#queues = new Map(
      QUEUE_NAMES.map((name) => {
        const queue = new Queue(name, {
          connection: redis.bull,
          prefix: redis.prefix,
          streams: { events: { maxLen: 100 } },
          defaultJobOptions: { removeOnComplete: true, removeOnFail: KEEP_FAILED },
        });
        queue.on('error', (error) => log.debug({ queue: name, error: error.name }, 'queue'));
        return [name, queue];
      }),
    );
  }

  /**
   * Adds a job unless one with this id is waiting or active.
   * @throws QUEUE_UNAVAILABLE when Redis does not take it in time
   */
  async add(queue: QueueName, name: string, id: string, data: object, options: JobsOptions = {}): Promise<void> {
    await answered(this.of(queue).add(name, data, { deduplication: { id }, ...options }));
  }

  /** Jobs by state. @throws QUEUE_UNAVAILABLE */
  counts(queue: QueueName): Promise<Readonly<Record<string, number>>> {
    return answered(this.of(queue).getJobCounts('waiting', 'active', 'delayed', 'prioritized', 'failed'));
  }

  /** The newest jobs given up. @throws QUEUE_UNAVAILABLE */
  failed(queue: QueueName, most: number): Promise<Job[]> {
    return answered(this.of(queue).getFailed(0, most - 1));
  }

  /** Has a job that was given up run again; false when there is none. @throws QUEUE_UNAVAILABLE */
  again(queue: QueueName, jobId: string): Promise<boolean> {
    return answered(
      this.of(queue)
        .getJob(jobId)
        .then(async (job) => {
          if (job === undefined || !(await job.isFailed())) return false;
          await job.retry('failed');
          return true;
        }),
    );
  }

  of(name: QueueName): Queue {
    return this.#queues.get(name) as Queue;
  }

  /** Starts working. `run` throws JOB_INVALID for what can never succeed; any other error means: again later. */
  work(queue: QueueName, concurrency: number, run: (task: Task) => Promise<Verdict>): void {
    const processor = async (job: Job, token?: string): Promise<void> => {
      const running = this.#run(job, run);
      this.#running.add(running);
      const verdict = await running.finally(() => this.#running.delete(running));
      this.#metrics.job(queue, verdict === 'done' ? 'done' : 'again');
      if (verdict === 'done') return;
      await job.moveToDelayed(Date.now() + Math.max(1, Math.round(verdict.againInMs)), token);
      throw new DelayedError();
    };
    const worker = new Worker(queue, processor, {
      connection: this.#redis.bull,
      prefix: this.#redis.prefix,
      concurrency,
      lockDuration: this.#lockMs,
      stalledInterval: Math.ceil(this.#lockMs / 4),
      maxStalledCount: MAX_STALLED,
      removeOnComplete: { count: 0 },
      removeOnFail: KEEP_FAILED,
    });
    worker.on('error', (error) => this.#log.debug({ queue, error: error.name }, 'worker'));
    this.#workers.push(worker);
  }

  async #run(job: Job, run: (task: Task) => Promise<Verdict>): Promise<Verdict> {
    try {
      return await run({ name: job.name, data: job.data, attempt: job.attemptsStarted });
    } catch (error) {
      if (error instanceof RelayError && error.code === 'JOB_INVALID') {
        this.#metrics.job(job.queueName, 'dead');
        throw new UnrecoverableError(error.message);
      }
      this.#log.warn({ queue: job.queueName, job: job.name, error: nameOf(error) }, 'a job will be tried again');
      return { againInMs: backoffMs(job.attemptsStarted) };
    }
  }

  /** Lets running jobs end and closes; without Redis they end too, and are begun again later, for it is not told. */
  async close(): Promise<void> {
    const closing = Promise.all([...this.#workers, ...this.#queues.values()].map((part) => part.close()));
    closing.catch(() => undefined);
    const ended = this.#redis.bull.status === 'ready' ? closing : Promise.allSettled(this.#running);
    const timeout = new AbortController();
    await Promise.race([ended, delay(CLOSE_DEADLINE_MS, undefined, { signal: timeout.signal })]).catch(() => undefined);
    timeout.abort();
  }
}

/** Doubles from a quarter of a second to five seconds, with jitter. */
export function backoffMs(attempt: number, maxMs = 5000): number {
  return Math.min(250 * 2 ** Math.min(attempt, 16), maxMs) * (0.75 + Math.random() / 2);
}

/** What may be logged of an error: its code or name, never its text. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as { code?: unknown };
  const contract = (error as { contractCode?: unknown }).contractCode;
  const remote = (error as { remoteCode?: unknown }).remoteCode;
  return [error.name, code, contract, remote].filter((part) => typeof part === 'string').join(':');
}

/** BullMQ waits for Redis for ever; nobody else does. @throws QUEUE_UNAVAILABLE */
async function answered<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(reject, REDIS_DEADLINE_MS, new RelayError('QUEUE_UNAVAILABLE', 'Redis is not answering'));
  try {
    return await Promise.race([work, promise]);
  } catch (cause) {
    throw cause instanceof RelayError ? cause : new RelayError('QUEUE_UNAVAILABLE', 'Redis refused', { cause });
  } finally {
    clearTimeout(timer);
  }
}

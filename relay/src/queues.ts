import { setTimeout as delay } from 'node:timers/promises';
import { DelayedError, type Job, type JobsOptions, Queue, UnrecoverableError, Worker } from 'bullmq';
import pLimit, { type LimitFunction } from 'p-limit';
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

type Run = (task: Task) => Promise<Verdict>;

/** Where a queue's jobs are run in this process. */
interface Workplace {
  readonly run: Run;
  readonly places: LimitFunction;
  /** Ids of jobs that were begun without the queue. */
  readonly here: Set<string>;
}

/**
 * The relay's three queues. A job whose content is wrong becomes a dead letter; everything else is tried again. What somebody
 * waits for is begun at once where there is a place, and queued only where there is none or when it is to be tried again.
 */
export class Queues {
  readonly #queues: ReadonlyMap<QueueName, Queue>;
  readonly #workers: Worker[] = [];
  readonly #workplaces = new Map<QueueName, Workplace>();
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
    if (this.#workplaces.get(queue)?.here.has(id)) return;
    await answered(this.of(queue).add(name, data, { deduplication: { id }, ...options }));
  }

  /**
   * Begins a job in this process if it has a place free, which it does not while anything waits in the queue; else adds it. Should
   * the process die, nobody but the chains remembers it: for jobs that are found there, or asked for again.
   * @throws QUEUE_UNAVAILABLE
   */
  async begin(queue: QueueName, name: string, id: string, data: object, options: JobsOptions = {}): Promise<void> {
    const workplace = this.#workplaces.get(queue);
    if (workplace === undefined || isFull(workplace) || workplace.here.has(id))
      return this.add(queue, name, id, data, options);
    workplace.here.add(id);
    // What is wrong with a job, the queue's worker finds once more and keeps.
    const verdict = this.#run(queue, workplace, { name, data, attempt: 1 }).catch((): Verdict => ({ againInMs: 0 }));
    void verdict.then(async (verdict) => {
      workplace.here.delete(id);
      if (verdict === 'done') return;
      await this.add(queue, name, id, data, { ...options, delay: pauseMs(verdict) }).catch((error: unknown) => {
        this.#log.info({ queue, job: name, error: nameOf(error) }, 'left to the scanner');
      });
    });
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
  work(queue: QueueName, concurrency: number, run: Run): void {
    const workplace: Workplace = { run, places: pLimit(concurrency), here: new Set() };
    const processor = async (job: Job, token?: string): Promise<void> => {
      const verdict = await this.#run(queue, workplace, {
        name: job.name,
        data: job.data,
        attempt: job.attemptsStarted,
      });
      if (verdict === 'done') return;
      await job.moveToDelayed(Date.now() + pauseMs(verdict), token);
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
    this.#workplaces.set(queue, workplace);
  }

  /** Runs a job as soon as there is a place, and counts it. @throws UnrecoverableError for one that is wrong */
  async #run(queue: QueueName, { places, run }: Workplace, task: Task): Promise<Verdict> {
    const running = places(() => this.#judged(queue, task, run));
    this.#running.add(running);
    const verdict = await running.finally(() => this.#running.delete(running));
    this.#metrics.job(queue, verdict === 'done' ? 'done' : 'again');
    return verdict;
  }

  async #judged(queue: QueueName, task: Task, run: Run): Promise<Verdict> {
    try {
      return await run(task);
    } catch (error) {
      if (error instanceof RelayError && error.code === 'JOB_INVALID') {
        this.#metrics.job(queue, 'dead');
        throw new UnrecoverableError(error.message);
      }
      this.#log.warn({ queue, job: task.name, error: nameOf(error) }, 'a job will be tried again');
      return { againInMs: backoffMs(task.attempt) };
    }
  }

  /** Lets running jobs end and closes; without Redis they end too, and are begun again later, for it is not told. */
  async close(): Promise<void> {
    const running = Promise.allSettled(this.#running);
    const closing = Promise.all([running, ...this.#workers.map((worker) => worker.close())]).then(() =>
      Promise.all([...this.#queues.values()].map((queue) => queue.close())),
    );
    closing.catch(() => undefined);
    const ended = this.#redis.bull.status === 'ready' ? closing : running;
    const timeout = new AbortController();
    await Promise.race([ended, delay(CLOSE_DEADLINE_MS, undefined, { signal: timeout.signal })]).catch(() => undefined);
    timeout.abort();
  }
}

function isFull({ places }: Workplace): boolean {
  return places.activeCount + places.pendingCount >= places.concurrency;
}

function pauseMs({ againInMs }: Exclude<Verdict, 'done'>): number {
  return Math.max(1, Math.round(againInMs));
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

import type { DeadLetter } from './api.ts';
import { RelayError } from './errors.ts';
import { QUEUE_NAMES, type QueueName, type Queues } from './queues.ts';

const MAX_LIST = 200;

/** Jobs the relay gave up on, for an operator to look at and to try again. */
export class DeadLetters {
  readonly #queues: Queues;

  constructor(queues: Queues) {
    this.#queues = queues;
  }

  /** Newest first. What the jobs carry is not shown. @throws QUEUE_UNAVAILABLE */
  async list(): Promise<DeadLetter[]> {
    const lists = await Promise.all(
      QUEUE_NAMES.map(async (queue) => {
        const jobs = await this.#queues.failed(queue, MAX_LIST);
        return jobs.map((job) => ({
          id: `${queue}.${job.id}`,
          name: job.name,
          reason: String(job.failedReason ?? '').slice(0, 200),
          failedAt: job.finishedOn ?? 0,
          attempts: job.attemptsStarted,
        }));
      }),
    );
    return lists.flat().sort((a, b) => b.failedAt - a.failedAt);
  }

  /** @throws LETTER_UNKNOWN QUEUE_UNAVAILABLE */
  async replay(id: string): Promise<void> {
    const [queue = '', jobId = ''] = id.split('.');
    if (!(await this.#queues.again(queue as QueueName, jobId)))
      throw new RelayError('LETTER_UNKNOWN', 'no such dead letter');
  }
}

import { OutcomeProof, parser } from '@yilian/protocol';
import { Answer, type LegState } from './api.ts';
import type { RedisConnections } from './redis.ts';

/** Where a leg stands, as this relay last saw it. */
export interface LegNote {
  readonly state: LegState;
  readonly transactionId?: string;
  readonly code?: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

const parseAnswer = parser('answer', Answer);
const parseProof = parser('absence', OutcomeProof);
const NOTE_TTL_MS = 8 * 86_400_000;

/**
 * Answers and notes about legs, in Redis and only for a time: everything here was verified before it came in, is
 * public or sealed to the requester, and can be fetched again.
 */
export class Answers {
  readonly #redis: RedisConnections;
  readonly #ttlMs: number;

  constructor(redis: RedisConnections, ttlMs: number) {
    this.#redis = redis;
    this.#ttlMs = ttlMs;
  }

  /** `page` 0 is the decision itself. */
  async save(requestId: string, answer: Answer, page = 0): Promise<void> {
    await this.#redis.commands.set(
      this.#key(requestId, answer.region, page),
      JSON.stringify(answer),
      'PX',
      this.#ttlMs,
    );
  }

  async saveAbsence(requestId: string, proof: OutcomeProof): Promise<void> {
    await this.#redis.commands.set(this.#key(requestId, 'main'), JSON.stringify(proof), 'PX', this.#ttlMs);
  }

  async load(requestId: string, region: string, page = 0): Promise<Answer | undefined> {
    const text = await this.#redis.commands.get(this.#key(requestId, region, page));
    return text === null ? undefined : parseAnswer(JSON.parse(text));
  }

  async loadAbsence(requestId: string): Promise<OutcomeProof | undefined> {
    const text = await this.#redis.commands.get(this.#key(requestId, 'main'));
    return text === null ? undefined : parseProof(JSON.parse(text));
  }

  async has(requestId: string, region: string): Promise<boolean> {
    return (await this.#redis.commands.exists(this.#key(requestId, region))) === 1;
  }

  /** With the answer that is the leg's final word, where it is one. */
  async note(requestId: string, region: string, note: LegNote, answer?: Answer): Promise<void> {
    const key = this.#notes(requestId);
    const both = this.#redis.commands.multi().hset(key, region, JSON.stringify(note)).pexpire(key, NOTE_TTL_MS);
    if (answer !== undefined) both.set(this.#key(requestId, region), JSON.stringify(answer), 'PX', this.#ttlMs);
    await both.exec();
  }

  async notes(requestId: string): Promise<ReadonlyMap<string, LegNote>> {
    const notes = await this.#redis.commands.hgetall(this.#notes(requestId));
    return new Map(Object.entries(notes).map(([region, note]) => [region, JSON.parse(note) as LegNote]));
  }

  #key(requestId: string, region: string, page = 0): string {
    return `${this.#redis.prefix}:answer:${requestId}:${region}${page === 0 ? '' : `:${page}`}`;
  }

  #notes(requestId: string): string {
    return `${this.#redis.prefix}:notes:${requestId}`;
  }
}

import { OutcomeProof, parser } from '@yilian/protocol';
import QuickLRU from 'quick-lru';
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
/** Final words that just came are at hand too: whoever waited for one reads it at once. */
const AT_HAND_MS = 5_000;
const MOST_AT_HAND = 64;
/** Characters of the longest answer that is kept at hand. */
const LONGEST_AT_HAND = 512 * 1024;

/**
 * Answers and notes about legs, in Redis and only for a time: everything here was verified before it came in, is
 * public or sealed to the requester, and can be fetched again.
 */
export class Answers {
  readonly #redis: RedisConnections;
  readonly #ttlMs: number;
  readonly #atHand = new QuickLRU<string, { readonly note: LegNote; readonly answer: Answer }>({
    maxSize: MOST_AT_HAND,
    maxAge: AT_HAND_MS,
  });

  constructor(redis: RedisConnections, ttlMs: number) {
    this.#redis = redis;
    this.#ttlMs = ttlMs;
  }

  /** `page` 0 is the decision itself. */
  async save(requestId: string, answer: Answer, page = 0): Promise<void> {
    const key = this.#key(requestId, answer.region, page);
    this.#atHand.delete(key);
    await this.#redis.commands.set(key, JSON.stringify(answer), 'PX', this.#ttlMs);
  }

  async saveAbsence(requestId: string, proof: OutcomeProof): Promise<void> {
    await this.#redis.commands.set(this.#key(requestId, 'main'), JSON.stringify(proof), 'PX', this.#ttlMs);
  }

  async load(requestId: string, region: string, page = 0): Promise<Answer | undefined> {
    const key = this.#key(requestId, region, page);
    const known = this.#atHand.get(key);
    if (known !== undefined) return known.answer;
    const text = await this.#redis.commands.get(key);
    return text === null ? undefined : parseAnswer(JSON.parse(text));
  }

  async loadAbsence(requestId: string): Promise<OutcomeProof | undefined> {
    const text = await this.#redis.commands.get(this.#key(requestId, 'main'));
    return text === null ? undefined : parseProof(JSON.parse(text));
  }

  async has(requestId: string, region: string): Promise<boolean> {
    return (await this.#redis.commands.exists(this.#key(requestId, region))) === 1;
  }

  /** With the answer that is the leg's final word, where it is one; that can be read at once, and outlives this process afterwards. */
  async note(requestId: string, region: string, note: LegNote, answer?: Answer): Promise<void> {
    const key = this.#notes(requestId);
    const both = this.#redis.commands.multi().hset(key, region, JSON.stringify(note)).pexpire(key, NOTE_TTL_MS);
    if (answer !== undefined) {
      const text = JSON.stringify(answer);
      both.set(this.#key(requestId, region), text, 'PX', this.#ttlMs);
      if (text.length <= LONGEST_AT_HAND) this.#atHand.set(this.#key(requestId, region), { note, answer });
    }
    await both.exec();
  }

  /** @param regions those it suffices to know of, where the last word of each is at hand */
  async notes(requestId: string, regions: readonly string[] = []): Promise<ReadonlyMap<string, LegNote>> {
    const atHand = regions.flatMap((region) => {
      const known = this.#atHand.get(this.#key(requestId, region));
      return known === undefined ? [] : [[region, known.note] as const];
    });
    if (regions.length > 0 && atHand.length === regions.length) return new Map(atHand);
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

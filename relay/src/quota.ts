import { RelayError } from './errors.ts';
import type { RedisConnections } from './redis.ts';

/** A place is given back by itself after this long: a crash must not shut an organisation out. */
const PLACE_TTL_MS = 30_000;

/**
 * How many questions each organisation may have waiting. The rank a question gets within its organisation becomes its
 * priority, so that organisations take turns and one that floods waits behind itself.
 */
export class Quota {
  readonly #redis: RedisConnections;
  readonly #places: number;

  constructor(redis: RedisConnections, places: number) {
    this.#redis = redis;
    this.#places = places;
  }

  /** Takes a place, or finds the one taken; returns how many were before it. @throws BUSY QUEUE_UNAVAILABLE */
  async enter(organisation: string, requestId: string): Promise<number> {
    const { commands, prefix } = this.#redis;
    const key = `${prefix}:quota:${organisation}`;
    const now = Date.now();
    const results = await commands
      .multi()
      .zremrangebyscore(key, 0, now - PLACE_TTL_MS)
      .zadd(key, 'NX', now, requestId)
      .zrank(key, requestId)
      .pexpire(key, PLACE_TTL_MS)
      .set(`${prefix}:place:${requestId}`, organisation, 'PX', PLACE_TTL_MS)
      .exec();
    const rank = Number(results?.[2]?.[1] ?? 0);
    if (rank >= this.#places) {
      await commands.zrem(key, requestId);
      throw new RelayError('BUSY', 'this organisation has too many questions waiting');
    }
    return rank;
  }

  async leave(requestId: string): Promise<void> {
    const { commands, prefix } = this.#redis;
    const organisation = await commands.getdel(`${prefix}:place:${requestId}`).catch(() => null);
    if (organisation !== null) await commands.zrem(`${prefix}:quota:${organisation}`, requestId).catch(() => 0);
  }
}

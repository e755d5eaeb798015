import { type OutcomeProof, ProtocolError } from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import type { Logger } from 'pino';
import type { Answers } from './answers.ts';
import { refusalOf } from './errors.ts';
import { failpoint } from './failpoints.ts';
import type { Metrics } from './metrics.ts';
import { nameOf, type Queues, type Verdict } from './queues.ts';
import type { RedisConnections } from './redis.ts';
import type { Signals } from './signals.ts';

export interface OutcomeMirrorOptions {
  readonly chain: RegionalChain;
  readonly answers: Answers;
  readonly queues: Queues;
  readonly signals: Signals;
  readonly redis: RedisConnections;
  readonly metrics: Metrics;
  readonly log: Logger;
}

interface Entry {
  readonly member: string;
  readonly requestId: string;
  readonly proof: OutcomeProof;
}

const MAX_PROOFS = 64;
const MAX_BYTES = 1_500_000;
/** One transaction a second, whatever comes. */
const PAUSE_MS = 1000;
const GATHER_MS = 200;
const REFUSED_TTL_MS = 30_000;

/** Copies home regions' outcomes to the own chain, many in one transaction. */
export class OutcomeMirror {
  readonly #options: OutcomeMirrorOptions;
  readonly #key: string;

  constructor(options: OutcomeMirrorOptions) {
    this.#options = options;
    this.#key = `${options.redis.prefix}:unmirrored`;
  }

  /** Notes that a verified answer is to be mirrored. */
  async add(requestId: string, region: string): Promise<void> {
    await this.#options.redis.commands.sadd(this.#key, `${requestId} ${region}`);
    await this.#options.queues.add('mirror', 'outcomes', 'outcomes', {}, { delay: GATHER_MS });
  }

  async run(): Promise<Verdict> {
    const { redis, metrics } = this.#options;
    const members = await redis.commands.srandmember(this.#key, MAX_PROOFS);
    if (members.length === 0) return 'done';
    const batch = await this.#load(members);
    if (batch.length > 0) {
      failpoint('mirror.started');
      const done = metrics.phase('mirror');
      await this.#commit(batch);
      done();
      failpoint('mirror.committed');
    }
    return (await redis.commands.scard(this.#key)) > 0 ? { againInMs: PAUSE_MS } : 'done';
  }

  /** The proofs that are still here; the others come again with their answers. */
  async #load(members: readonly string[]): Promise<readonly Entry[]> {
    const { answers } = this.#options;
    const entries: Entry[] = [];
    let bytes = 0;
    for (const member of members) {
      const [requestId = '', region = ''] = member.split(' ');
      const answer = await answers.load(requestId, region).catch(() => undefined);
      if (answer === undefined || (await this.#wasRefused(member))) {
        await this.#options.redis.commands.srem(this.#key, member);
        continue;
      }
      bytes += answer.proof.envelope.length;
      if (bytes > MAX_BYTES && entries.length > 0) break;
      entries.push({ member, requestId, proof: answer.proof });
    }
    return entries;
  }

  /** One refused proof must not hold the others up. */
  async #commit(batch: readonly Entry[]): Promise<void> {
    const { chain, redis, signals, log, metrics } = this.#options;
    try {
      await chain.mirrorOutcomes(batch.map(({ proof }) => proof));
    } catch (error) {
      if (refusalOf(error) === undefined && !(error instanceof ProtocolError)) throw error;
      if (batch.length > 1) {
        for (const entry of batch) await this.#commit([entry]);
        return;
      }
      const [entry] = batch;
      log.warn({ error: nameOf(error) }, 'an outcome cannot be mirrored');
      metrics.job('mirror', 'dead');
      await redis.commands.set(this.#refusedKey(entry?.member ?? ''), '1', 'PX', REFUSED_TTL_MS);
    }
    await redis.commands.srem(this.#key, ...batch.map(({ member }) => member));
    await Promise.all(batch.map(({ requestId }) => signals.send(requestId, { kind: 'changed' })));
  }

  async #wasRefused(member: string): Promise<boolean> {
    return (await this.#options.redis.commands.exists(this.#refusedKey(member))) === 1;
  }

  #refusedKey(member: string): string {
    return `${this.#options.redis.prefix}:unmirrorable:${member}`;
  }
}

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { weaknesses } from './durability.ts';

/** What a cross-region query spends its time on. */
export type Phase = 'lookup' | 'ordered' | 'ask' | 'leg' | 'verify' | 'decide' | 'assemble' | 'shares' | 'mirror';
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** One relay's figures. No label names a patient, a person or a request. */
export class Metrics {
  readonly registry = new Registry();
  readonly #phases = this.#histogram('yilian_relay_phase_seconds', 'Time by phase', ['phase']);
  readonly #legs = this.#counter('yilian_relay_legs_total', 'Steps of legs by state', ['region', 'state']);
  readonly #lies = this.#counter('yilian_relay_answers_rejected_total', 'Answers that did not hold', ['region']);
  readonly #refused = this.#counter('yilian_relay_envelopes_refused_total', 'Envelopes refused', ['code']);
  readonly #jobs = this.#counter('yilian_relay_jobs_total', 'Jobs by queue and result', ['queue', 'result']);
  readonly depth = this.#gauge('yilian_relay_queue_depth', 'Jobs by queue and state', ['queue', 'state']);
  readonly deadLetters = this.#gauge('yilian_relay_dead_letters', 'Jobs given up', ['queue']);
  readonly mirrorAge = this.#gauge('yilian_relay_view_age_seconds', 'Age of the view of the main chain', []);
  readonly certificateExpiry = this.#gauge(
    'yilian_relay_certificate_expiry_seconds',
    'When the first of its certificates expires, since the epoch',
    [],
  );
  readonly unsettled = this.#gauge('yilian_relay_pending_requests', 'Requests that lack a final word', []);

  readonly #redisUp = this.#gauge('yilian_relay_redis_up', 'Whether Redis answers', []);
  readonly #redisDurable = this.#gauge('yilian_relay_redis_durable', 'Whether Redis is set to lose nothing', []);
  readonly #redisFailing = this.#gauge('yilian_relay_redis_aof_failing', 'Whether Redis cannot write its log', []);
  readonly #redisUsed = this.#gauge('yilian_relay_redis_memory_used_bytes', 'Memory Redis uses', []);
  readonly #redisLimit = this.#gauge('yilian_relay_redis_memory_limit_bytes', 'Memory it may use; 0: any', []);
  readonly #redisClients = this.#gauge('yilian_relay_redis_connections', 'Connections to Redis', []);
  readonly #redisEvicted = this.#counter('yilian_relay_redis_evicted_keys_total', 'Keys Redis evicted', []);
  readonly #redisRejected = this.#counter(
    'yilian_relay_redis_rejected_connections_total',
    'Connections Redis had no room for',
    [],
  );

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Starts a phase; the function returned ends it. */
  phase(phase: Phase): () => void {
    const end = this.#phases.startTimer({ phase });
    return () => void end();
  }

  leg(region: string, state: string): void {
    this.#legs.inc({ region, state });
  }

  rejected(region: string): void {
    this.#lies.inc({ region });
  }

  refused(code: string): void {
    this.#refused.inc({ code });
  }

  job(queue: string, result: 'done' | 'again' | 'dead'): void {
    this.#jobs.inc({ queue, result });
  }

  /** What Redis says of itself; nothing when it does not answer: then what was last known stands. */
  redis(info: ReadonlyMap<string, string> | undefined): void {
    this.#redisUp.set(info === undefined ? 0 : 1);
    if (info === undefined) return;
    const count = (name: string): number => Number(info.get(name) ?? 0);
    const fails = ['aof_last_write_status', 'aof_last_bgrewrite_status'].some((name) => info.get(name) === 'err');
    this.#redisDurable.set(weaknesses(info).length === 0 ? 1 : 0);
    this.#redisFailing.set(fails ? 1 : 0);
    this.#redisUsed.set(count('used_memory'));
    this.#redisLimit.set(count('maxmemory'));
    this.#redisClients.set(count('connected_clients'));
    // Redis counts since it started, as a counter does.
    for (const [counter, name] of [
      [this.#redisEvicted, 'evicted_keys'],
      [this.#redisRejected, 'rejected_connections'],
    ] as const) {
      counter.reset();
      counter.inc(count(name));
    }
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets: BUCKETS_S, registers: [this.registry] });
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }
}

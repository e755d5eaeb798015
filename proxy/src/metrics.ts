import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** One proxy's figures. No label names a patient, a grant or a request. */
export class Metrics {
  readonly registry = new Registry();
  readonly certificateExpiry = this.#gauge(
    'yilian_proxy_certificate_expiry_seconds',
    'When its certificate expires, since the epoch',
  );
  readonly held = this.#gauge('yilian_proxy_grants_held', 'Grants whose fragments are in use');
  readonly unfinished = this.#gauge('yilian_proxy_grants_unfinished', 'Grants of which the chain must still be told');
  readonly outcomes = this.#gauge('yilian_proxy_outcomes', 'Outcomes read from the own view');
  readonly #answers = new Counter({
    name: 'yilian_proxy_answers_total',
    help: 'Answers by route and code',
    labelNames: ['route', 'code'],
    registers: [this.registry],
  });
  readonly #seconds = new Histogram({
    name: 'yilian_proxy_answer_seconds',
    help: 'Time to answer by route',
    labelNames: ['route'],
    buckets: BUCKETS_S,
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  answered(route: string, code: string, seconds: number): void {
    this.#answers.inc({ route, code });
    this.#seconds.observe({ route }, seconds);
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.registry] });
  }
}

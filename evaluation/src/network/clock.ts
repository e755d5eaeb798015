import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { BELL, CELLS_BYTES, CLOSED, DUE, IDLE } from './clock-cells.ts';

interface Appointment {
  readonly due: number;
  readonly act: () => void;
}

/**
 * Wakes at fractions of a millisecond, never early. Node's own timers know whole milliseconds, early or late by one, which is
 * a tenth of the round trips to be made here; spinning would spend the processor that is measured. So a thread sleeps until
 * the next moment and rings. Moments are those of `performance.now()`.
 */
export class Clock implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #moments: BigInt64Array;
  readonly #bells: Int32Array;
  /** `process.hrtime` where `performance.now()` is 0, nanoseconds. */
  readonly #origin = process.hrtime.bigint() - nanoseconds(performance.now());
  /** Sorted by due time, those of the same moment in the order they came. */
  readonly #waiting: Appointment[] = [];

  private constructor() {
    const shared = new SharedArrayBuffer(CELLS_BYTES);
    this.#moments = new BigInt64Array(shared);
    this.#bells = new Int32Array(shared);
    this.#moments[DUE] = IDLE;
    this.#worker = new Worker(new URL('./clock-thread.ts', import.meta.url), { workerData: { shared } });
    this.#worker.on('message', () => this.#ring());
  }

  static async start(): Promise<Clock> {
    const clock = new Clock();
    await once(clock.#worker, 'online');
    return clock;
  }

  /** Acts at `due`, or soon when that is over. Returns what cancels it. */
  at(due: number, act: () => void): () => void {
    const appointment = { due, act };
    const index = this.#indexAfter(due);
    this.#waiting.splice(index, 0, appointment);
    if (index === 0) this.#wakeAt(due);
    return () => {
      const place = this.#waiting.indexOf(appointment);
      if (place >= 0) this.#waiting.splice(place, 1);
    };
  }

  /** Whoever still waits is forgotten. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting.length = 0;
    const exited = once(this.#worker, 'exit');
    this.#store(CLOSED);
    await exited;
  }

  #ring(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.due > performance.now()) {
        this.#wakeAt(first.due);
        return;
      }
      this.#waiting.shift();
      first.act();
    }
  }

  #wakeAt(due: number): void {
    this.#store(this.#origin + nanoseconds(due));
  }

  #store(moment: bigint): void {
    Atomics.store(this.#moments, DUE, moment);
    Atomics.add(this.#bells, BELL, 1);
    Atomics.notify(this.#bells, BELL);
  }

  #indexAfter(due: number): number {
    let [low, high] = [0, this.#waiting.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#waiting[middle] as Appointment).due <= due) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.max(0, Math.ceil(ms * 1e6)));
}

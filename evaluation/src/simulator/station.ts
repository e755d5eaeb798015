import type { EventQueue } from './event-queue.ts';

interface Job {
  readonly arrivedAt: number;
  readonly workMs: number;
  readonly done: () => void;
}

/** What a station has seen since the run began; times in milliseconds. */
export interface Tally {
  readonly arrived: number;
  readonly served: number;
  /** Asked of the station, whether done or not. */
  readonly workMs: number;
  readonly waitedMs: number;
  /** From arrival to departure, over all that departed. */
  readonly sojournMs: number;
  /** The number present, integrated over time. */
  readonly presentMs: number;
}

/** Servers that share one queue, first come first served. */
export class Station {
  readonly name: string;
  readonly servers: number;
  readonly #events: EventQueue;
  readonly #slowness: number;
  readonly #queue: Job[] = [];
  /** Where the queue begins; what is before it has left. */
  #head = 0;
  #busy = 0;
  #arrived = 0;
  #served = 0;
  #workMs = 0;
  #waitedMs = 0;
  #sojournMs = 0;
  #presentMs = 0;
  #changedAt = 0;

  /** `restShare`: of each server’s time what goes to other things all the while, 0 ≤ share < 1: work takes longer by that. */
  constructor(events: EventQueue, name: string, servers: number, restShare = 0) {
    this.#slowness = 1 / (1 - restShare);
    this.#events = events;
    this.name = name;
    this.servers = servers;
  }

  get tally(): Tally {
    return {
      arrived: this.#arrived,
      served: this.#served,
      workMs: this.#workMs,
      waitedMs: this.#waitedMs,
      sojournMs: this.#sojournMs,
      presentMs: this.#presentMs,
    };
  }

  serve(workMs: number, done: () => void): void {
    this.#changing();
    this.#arrived++;
    this.#workMs += workMs;
    const job = { arrivedAt: this.#events.now, workMs, done };
    if (this.#busy < this.servers) this.#begin(job);
    else this.#queue.push(job);
  }

  #begin(job: Job): void {
    this.#busy++;
    this.#waitedMs += this.#events.now - job.arrivedAt;
    this.#events.after(job.workMs * this.#slowness, () => this.#end(job));
  }

  #end(job: Job): void {
    this.#changing();
    this.#busy--;
    this.#served++;
    this.#sojournMs += this.#events.now - job.arrivedAt;
    const next = this.#queue[this.#head];
    if (next !== undefined) {
      this.#head++;
      if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
      this.#begin(next);
    }
    job.done();
  }

  #changing(): void {
    this.#presentMs += (this.#arrived - this.#served) * (this.#events.now - this.#changedAt);
    this.#changedAt = this.#events.now;
  }
}

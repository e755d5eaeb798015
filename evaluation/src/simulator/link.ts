import type { Random } from '@yilian/testbed/random';
import type { EventQueue } from './event-queue.ts';

const BITS = 8;

export interface LinkOptions {
  /** Number of places. */
  readonly places: number;
  /** Round trip between two different places, milliseconds. */
  readonly rttMs: (from: number, to: number) => number;
  /** Round trip within a place, milliseconds; its bandwidth is without limit. */
  readonly withinMs: number;
  /** Of each direction of each pair of places. */
  readonly mbitPerSecond: number;
  /** Of the calls to another place, those that have to open a connection first, 0..1: a round trip more. */
  readonly coldShare: number;
  readonly random: Random;
}

/** The lines between places: bytes leave one after another, then travel for half a round trip. */
export class Links {
  readonly #events: EventQueue;
  readonly #options: LinkOptions;
  /** When each direction has sent what was given to it. */
  readonly #freeAt: Float64Array;
  /** How long each direction has been sending, or has to, milliseconds. */
  readonly #sendingMs: Float64Array;
  #bytesBetween = 0;

  constructor(events: EventQueue, options: LinkOptions) {
    this.#events = events;
    this.#options = options;
    this.#freeAt = new Float64Array(options.places ** 2);
    this.#sendingMs = new Float64Array(options.places ** 2);
  }

  /** Sent between different places. */
  get bytesBetween(): number {
    return this.#bytesBetween;
  }

  /** By direction of each pair: how long it takes to send what was given to it so far, milliseconds. */
  get sendingMs(): Float64Array {
    return this.#sendingMs.slice();
  }

  /** Half a round trip, milliseconds. */
  oneWayMs(from: number, to: number): number {
    return (from === to ? this.#options.withinMs : this.#options.rttMs(from, to)) / 2;
  }

  send(from: number, to: number, sizeBytes: number, arrived: () => void): void {
    this.#events.after(this.#sentMs(from, to, sizeBytes) + this.oneWayMs(from, to), arrived);
  }

  /** Has something of so many bytes sent from another place. */
  fetch(from: number, at: number, askBytes: number, sizeBytes: number, arrived: () => void): void {
    const { coldShare, random } = this.#options;
    const openedMs = from !== at && random.next() < coldShare ? 2 * this.oneWayMs(from, at) : 0;
    this.#events.after(openedMs, () => this.send(from, at, askBytes, () => this.send(at, from, sizeBytes, arrived)));
  }

  #sentMs(from: number, to: number, sizeBytes: number): number {
    if (from === to) return 0;
    this.#bytesBetween += sizeBytes;
    const direction = from * this.#options.places + to;
    const { now } = this.#events;
    const sendingMs = (sizeBytes * BITS) / (this.#options.mbitPerSecond * 1000);
    const sentAt = Math.max(now, this.#freeAt[direction] ?? 0) + sendingMs;
    this.#freeAt[direction] = sentAt;
    this.#sendingMs[direction] = (this.#sendingMs[direction] ?? 0) + sendingMs;
    return sentAt - now;
  }
}

/** How far apart two places are; the same both ways. */
export interface Distance {
  /** Round trip, milliseconds; half of it each way. */
  readonly rttMs: number;
  /** Standard deviation of the one-way delay as a share of it, 0..1/3; normal, cut at three deviations. */
  readonly jitter: number;
  /** Each way, Mbit/s. */
  readonly mbit: number;
  /** Probability that a segment is lost, 0 to less than 1. */
  readonly loss: number;
}

/** Puts bytes on the line at `now`. Returns when the last of them comes out; both of `performance.now()`. */
export type Send = (sizeBytes: number, now: number) => number;

/** Ethernet's 1500 bytes less the headers of IP and TCP with timestamps. */
const SEGMENT_BYTES = 1448;
/** Linux's least retransmission timeout (RFC 6298 would have 1 s). */
const LEAST_TIMEOUT_MS = 200;
const DEVIATIONS = 3;

/**
 * One direction between two places, as a formula: it reads no clock and moves no byte.
 *
 * Bytes wait for the line, which all streams share first come first served, take their time at its rate, and then the one-way
 * delay. Jitter delays a stream's later bytes with its earlier ones and never reorders them. A lost segment holds up
 * everything behind it in its stream: for one round trip when more of the same piece follows, by which the receiver misses
 * it (fast retransmit, RFC 5681), for max(200 ms, RTT) when it is the piece's last; a retransmission that is lost again
 * waits for a timeout, doubled each time. Left out, and in favour of whoever sends much far: slow start, a window that
 * shrinks after a loss, the rate that headers and retransmissions take.
 */
export class Link {
  readonly #distance: Distance;
  readonly #random: () => number;
  #freeAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;

  /**
   * @param random uniform in [0, 1)
   * @throws RangeError for a distance that is none
   */
  constructor(distance: Distance, random: () => number) {
    const { rttMs, jitter, mbit, loss } = distance;
    const isDistance = rttMs >= 0 && rttMs < 60_000 && jitter >= 0 && jitter <= 1 / DEVIATIONS;
    if (!isDistance || !(mbit > 0) || !(loss >= 0 && loss < 1))
      throw new RangeError(`No distance: ${JSON.stringify(distance)}`);
    this.#distance = distance;
    this.#random = random;
  }

  /** All that was put on the line, without headers or what was sent again. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A stream whose bytes come out in the order they went in. */
  stream(): Send {
    let last = Number.NEGATIVE_INFINITY;
    return (sizeBytes, now) => {
      this.#bytes += sizeBytes;
      this.#freeAt = Math.max(now, this.#freeAt) + sizeBytes / bytesPerMs(this.#distance);
      last = Math.max(last, this.#freeAt + this.#delay() + this.#recovery(sizeBytes));
      return last;
    };
  }

  #delay(): number {
    const { rttMs, jitter } = this.#distance;
    return (rttMs / 2) * (1 + (jitter === 0 ? 0 : jitter * this.#normal()));
  }

  /** The longest that a lost segment holds the piece up. */
  #recovery(sizeBytes: number): number {
    const { rttMs, loss } = this.#distance;
    if (loss === 0) return 0;
    const timeout = Math.max(LEAST_TIMEOUT_MS, rttMs);
    const segments = Math.max(1, Math.ceil(sizeBytes / SEGMENT_BYTES));
    let longest = 0;
    for (let segment = 1; segment <= segments; segment++) {
      let waited = 0;
      let wait = segment === segments ? timeout : rttMs;
      while (this.#random() < loss) {
        waited += wait;
        wait = Math.max(timeout, wait * 2);
      }
      longest = Math.max(longest, waited);
    }
    return longest;
  }

  #normal(): number {
    for (;;) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.#random()));
      const value = radius * Math.cos(2 * Math.PI * this.#random());
      if (Math.abs(value) <= DEVIATIONS) return value;
    }
  }
}

/** What is under way at most in one stream: a TCP window that fills the line, and a read of a socket. */
export function windowBytes(distance: Distance): number {
  return Math.ceil(bytesPerMs(distance) * distance.rttMs) + 64 * 1024;
}

function bytesPerMs({ mbit }: Distance): number {
  return mbit * 125;
}

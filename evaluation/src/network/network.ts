import { Compile, type Static, Type } from '@yilian/schema';
import { Clock } from './clock.ts';
import { Delayer } from './delayer.ts';
import { DirectBytes } from './direct-bytes.ts';
import { type Distance, Link, windowBytes } from './link.ts';

const DistanceSchema = Type.Object(
  { rttMs: Type.Number(), jitter: Type.Number(), mbit: Type.Number(), loss: Type.Number() },
  { additionalProperties: false },
);
const PairSchema = Type.Object(
  { between: Type.Tuple([Type.String(), Type.String()]), ...DistanceSchema.properties },
  { additionalProperties: false },
);
const DistancesSchema = Type.Union([DistanceSchema, Type.Array(PairSchema)]);
const distances = Compile(DistancesSchema);

/** One distance for every pair of places, or that of each pair. */
export type Distances = Static<typeof DistancesSchema>;

/** @throws RangeError unless {@link Distances} */
export function readDistances(json: unknown): Distances {
  if (distances.Check(json)) return json;
  throw new RangeError(
    'Distances are { rttMs, jitter, mbit, loss } or a list of these, each with `between` two places',
  );
}

export interface NetworkOptions {
  readonly places: readonly string[];
  readonly distances: Distances;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface MovedBytes {
  /** Sent into links between places; what a link drops and sends again counts once. */
  readonly between: number;
  /** Over HTTP connections of {@link Network.fetchFrom} inside a place, headers included. */
  readonly within: number;
}

/**
 * Places and what lies between them. Traffic between two places passes a {@link Delayer}; inside a place it goes directly, at
 * the speed of loopback.
 */
export class Network implements AsyncDisposable {
  readonly places: readonly string[];
  readonly clock: Clock;
  readonly #distances = new Map<string, Distance>();
  readonly #links = new Map<string, Link>();
  readonly #delayers = new Map<string, Promise<Delayer>>();
  readonly #direct = new DirectBytes();
  #counted: MovedBytes = { between: 0, within: 0 };

  private constructor({ places, distances, random }: NetworkOptions, clock: Clock) {
    this.places = places;
    this.clock = clock;
    for (const from of places) {
      for (const to of places) {
        if (from === to) continue;
        const distance = distanceOf(distances, from, to);
        this.#distances.set(pair(from, to), distance);
        this.#links.set(pair(from, to), new Link(distance, random));
      }
    }
  }

  /** @throws RangeError for a distance that is none, a pair without one or with two */
  static async open(options: NetworkOptions): Promise<Network> {
    const clock = await Clock.start();
    try {
      return new Network(options, clock);
    } catch (error) {
      await clock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws RangeError for the same place or one that is not there */
  between(from: string, to: string): Distance {
    return known(this.#distances, from, to);
  }

  /** Round trip, milliseconds; 0 inside a place. */
  rttMs(from: string, to: string): number {
    return from === to ? 0 : this.between(from, to).rttMs;
  }

  /**
   * Where somebody at `from` finds the `host:port` that is at `to`: always the same, and inside a place the address itself.
   * @throws RangeError for a place that is not there
   */
  async through(from: string, to: string, address: string): Promise<string> {
    if (from === to) return address;
    const key = `${pair(from, to)} ${address}`;
    const opening = this.#delayers.get(key) ?? Delayer.listen(this.#route(from, to, address));
    this.#delayers.set(key, opening);
    return (await opening).address;
  }

  /**
   * The `fetch` of a participant at a place. Who is called sees the delayer's address as `Host`, and so does the caller as the
   * response's `url`; path, query, other headers and body are the caller's.
   * @param placeOf the place of whom a URL names
   * @throws TypeError unless http: a certificate would be for another address
   */
  fetchFrom(place: string, placeOf: (url: URL) => string): typeof globalThis.fetch {
    return async (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (url.protocol !== 'http:') throw new TypeError('Only http crosses this network');
      const there = placeOf(url);
      const address = `${url.hostname}:${url.port || '80'}`;
      if (there === place) this.#direct.count(address);
      else url.host = await this.through(place, there, address);
      return globalThis.fetch(input instanceof Request ? new Request(url, input) : url, init);
    };
  }

  /** What was moved since {@link resetBytes}. */
  bytes(): MovedBytes {
    const { between, within } = this.#moved();
    return { between: between - this.#counted.between, within: within - this.#counted.within };
  }

  resetBytes(): void {
    this.#counted = this.#moved();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#direct[Symbol.dispose]();
    await Promise.all([...this.#delayers.values()].map(async (delayer) => (await delayer)[Symbol.asyncDispose]()));
    await this.clock[Symbol.asyncDispose]();
  }

  #moved(): MovedBytes {
    const between = [...this.#links.values()].reduce((sum, link) => sum + link.bytes, 0);
    return { between, within: this.#direct.bytes };
  }

  #route(from: string, to: string, target: string) {
    return {
      target,
      there: known(this.#links, from, to),
      back: known(this.#links, to, from),
      windowBytes: windowBytes(this.between(from, to)),
      clock: this.clock,
    };
  }
}

function distanceOf(all: Distances, from: string, to: string): Distance {
  if (!Array.isArray(all)) return all;
  const [distance, ...others] = all.filter(({ between }) => between.includes(from) && between.includes(to));
  if (distance === undefined || others.length > 0)
    throw new RangeError(`Between ${from} and ${to} there must be one distance`);
  return distance;
}

function pair(from: string, to: string): string {
  return `${from} → ${to}`;
}

function known<T>(of: ReadonlyMap<string, T>, from: string, to: string): T {
  const found = of.get(pair(from, to));
  if (found === undefined) throw new RangeError(`There is no way from ${from} to ${to}`);
  return found;
}

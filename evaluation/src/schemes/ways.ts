import type { Network } from '../network/index.ts';

/** The one holder that a chain over all places names: whoever asks it is shown to the holder that has the body. */
export const BODIES = 'http://bodies.invalid';

/** Where every HTTP server stands, and how it is reached from elsewhere. */
export class Ways {
  readonly #network: Network;
  readonly #cold: boolean;
  readonly #places = new Map<string, string>();
  readonly #bodies = new Map<string, string>();

  /** `cold`: a connection between places is used once. */
  constructor(network: Network, cold: boolean) {
    this.#network = network;
    this.#cold = cold;
  }

  /** A server at a place. */
  put(url: string, place: string): void {
    this.#places.set(new URL(url).origin, place);
  }

  /** The gateway that has a body. */
  putBody(cid: string, gateway: string): void {
    this.#bodies.set(cid, gateway);
  }

  /** What is at a place fetches with this. */
  fetchAt(place: string): typeof globalThis.fetch {
    const fetch = this.#network.fetchFrom(place, (url) => this.#places.get(url.origin) ?? place);
    return (input, init) => {
      const url = this.#located(new URL(input instanceof Request ? input.url : input));
      if (!this.#cold || this.#places.get(url.origin) === place) return fetch(url, init);
      const headers = new Headers(init?.headers);
      headers.set('connection', 'close');
      return fetch(url, { ...init, headers });
    };
  }

  #located(url: URL): URL {
    if (url.origin !== BODIES) return url;
    const gateway = this.#bodies.get(url.pathname.split('/').at(-1) ?? '');
    return gateway === undefined ? url : new URL(`${url.pathname}${url.search}`, gateway);
  }
}

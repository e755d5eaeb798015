import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { RedisConnections } from './redis.ts';

/**
 * What happened to a request, told to every relay process of the region. A signal is a hint to look at the chain
 * again: it may be lost, and nothing rests on what it says.
 */
export type Signal =
  | { readonly kind: 'decided' | 'waiting' | 'pending' | 'changed' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** Sender, request, signal. */
const MESSAGE = /^(\S+) (\S+) (.+)$/s;

export class Signals {
  readonly #redis: RedisConnections;
  readonly #channel: string;
  readonly #local = new EventEmitter().setMaxListeners(0);
  /** Names this process among those that share the channel. */
  readonly #self = randomUUID();
  readonly #waiting = new Set<() => void>();

  constructor(redis: RedisConnections) {
    this.#redis = redis;
    this.#channel = `${redis.prefix}:signals`;
  }

  async start(): Promise<void> {
    this.#redis.subscriber.on('message', (_channel: string, message: string) => {
      const [, sender, requestId = '', signal = ''] = MESSAGE.exec(message) ?? [];
      if (sender === this.#self) return;
      try {
        this.#local.emit(requestId, JSON.parse(signal) as Signal);
      } catch {
        // Not one of ours; Redis is not trusted.
      }
    });
    await this.#redis.subscriber.subscribe(this.#channel);
  }

  /** To this process alone. */
  here(requestId: string, signal: Signal): void {
    this.#local.emit(requestId, signal);
  }

  async send(requestId: string, signal: Signal): Promise<void> {
    this.here(requestId, signal);
    const message = `${this.#self} ${requestId} ${JSON.stringify(signal)}`;
    await this.#redis.commands.publish(this.#channel, message).catch(() => 0);
  }

  /** Lets everybody who waits go, at the end. */
  release(): void {
    for (const giveUp of this.#waiting) giveUp();
  }

  /** Listens until disposed. */
  on(requestId: string, listener: (signal: Signal) => void): Disposable {
    const name = requestId;
    this.#local.on(name, listener);
    return { [Symbol.dispose]: () => void this.#local.off(name, listener) };
  }

  /** The next signal about a request that is no mere change, or undefined after `timeoutMs`. */
  next(requestId: string, timeoutMs: number): { readonly signal: Promise<Signal | undefined> } & Disposable {
    const { promise, resolve } = Promise.withResolvers<Signal | undefined>();
    const giveUp = () => resolve(undefined);
    const timer = setTimeout(giveUp, timeoutMs);
    this.#waiting.add(giveUp);
    const listening = this.on(requestId, (signal) => {
      if (signal.kind !== 'changed') resolve(signal);
    });
    return {
      signal: promise,
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        giveUp();
        this.#waiting.delete(giveUp);
        listening[Symbol.dispose]();
      },
    };
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { TestbedError } from './errors.ts';
import { until } from './patience.ts';

const START_MS = 10_000;

/** A region's Redis on a socket in a folder of its own. */
export class RedisServer implements AsyncDisposable {
  readonly url: string;
  kills = 0;
  readonly #folder: string;
  readonly #path: string;
  #running: { readonly process: ChildProcess; readonly exited: Promise<unknown> } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, 'redis.sock');
    this.url = `unix://${this.#path}`;
  }

  /** `empty`: with nothing of what it had. */
  async start({ empty = false } = {}): Promise<void> {
    if (empty) await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const settings = {
      port: '0',
      unixsocket: this.#path,
      dir: this.#folder,
      save: '',
      appendonly: 'yes',
      appendfsync: 'everysec',
      'maxmemory-policy': 'noeviction',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    // In a group of its own: an interruption at the terminal is for its owner, which needs it until it has ended.
    const server = spawn('redis-server', args, { stdio: 'ignore', detached: true });
    this.#running = { process: server, exited: once(server, 'exit') };
    // A server would outlive a process that ends without disposing of it.
    const end = () => void server.kill('SIGKILL');
    process.once('exit', end);
    server.once('exit', () => void process.off('exit', end));
    await until('Redis answers', START_MS, () => this.#do((redis) => redis.ping()));
  }

  async flush(): Promise<void> {
    await this.#do((redis) => redis.flushall());
  }

  async kill(): Promise<void> {
    if (this.#running === undefined) throw new TestbedError('ENDED', 'Redis does not run');
    this.#running.process.kill('SIGKILL');
    await this.#running.exited;
    this.#running = undefined;
    this.kills += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running !== undefined) await this.kill();
  }

  async #do<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis({ path: this.#path, lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  }
}

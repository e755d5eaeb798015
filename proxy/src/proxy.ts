import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, connect, createSigner, readCertificate } from '@yilian/ledger';
import { readServerTls } from '@yilian/service';
import type { FastifyInstance } from 'fastify';
import { destination, type Logger, pino } from 'pino';
import { Clock } from './clock.ts';
import { LIMITS, type Limits, MAIN, type ProxyConfig, parseConfig, readSecrets, readTls } from './config.ts';
import { codeOf, ProxyError } from './errors.ts';
import { Journal } from './journal.ts';
import { createMainNode } from './main-node.ts';
import { Metrics } from './metrics.ts';
import type { Node } from './node.ts';
import { RegionNode } from './region-node.ts';
import { SecretFiles } from './sealed-file.ts';
import { createServer, type Readiness } from './server.ts';

/** What a test may put in the place of the real thing. */
export interface ProxyDependencies {
  /** To the own organisation's peer; the caller closes it. Default: by `config.ledger`. */
  readonly connection?: Connection;
  /** Epoch milliseconds. */
  readonly clock?: () => number;
  readonly log?: Logger;
}

/** A proxy that does not listen. */
export interface BuiltProxy {
  readonly app: FastifyInstance;
  /**
   * Registers under `url`, replays the chain and follows it, in the background, trying until it succeeds.
   * @returns when orders are taken, or the proxy is closed
   */
  begin(url: string): Promise<void>;
  readiness(): Readiness;
  close(): Promise<void>;
}

export interface RunningProxy extends AsyncDisposable {
  readonly url: string;
  /** Resolves when orders are taken. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

/** @throws CONFIG_INVALID STORE_LOCKED STORE_BROKEN */
export async function buildProxy(config: ProxyConfig, dependencies: ProxyDependencies = {}): Promise<BuiltProxy> {
  const { federation, network, channel, folder, mspId } = parseConfig(config);
  const { certificate, privateKey, masterKey } = await readSecrets(config);
  const log =
    dependencies.log ??
    pino(
      { level: config.logLevel ?? 'info' },
      destination(2).on('error', () => undefined),
    );
  const tls = await readTls(config.ledger.tls);
  using opened = new DisposableStack();
  opened.defer(lock(folder));
  const connection =
    dependencies.connection ??
    opened.use(
      connect({
        client: config.ledger.address,
        identity: { mspId, certificate },
        privateKey,
        ...(tls !== undefined && { tls }),
      }),
    );
  const journal = opened.adopt(new Journal(join(folder, 'journal.db')), (database) => database.close());
  const options = {
    federation,
    network,
    channel,
    folder,
    connection,
    privateKey,
    signer: { certificate, sign: createSigner(privateKey) },
    files: new SecretFiles(masterKey),
    journal,
    clock: new Clock(dependencies.clock),
    log,
  };
  const node: Node = network === MAIN ? createMainNode(options) : new RegionNode(options);
  opened.defer(() => node.close());
  const metrics = new Metrics();
  metrics.certificateExpiry.set(readCertificate(certificate).notAfter / 1000);
  let readiness: Readiness = { ready: false, reason: 'STARTING' };
  const app = await createServer({
    routes: node.routes,
    readiness: () => readiness,
    limits: { ...LIMITS, ...config.limits } as Limits,
    metrics,
    refreshMetrics: () => node.refresh(metrics),
    log,
    tls: await readServerTls(config.tls),
  });

  const closing = new AbortController();
  const { signal } = closing;
  let running: Promise<unknown> = Promise.resolve();
  const prepare = async (url: string): Promise<void> => {
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      try {
        await node.prepare(url, signal);
        readiness = { ready: true };
        log.info('ready');
        return;
      } catch (error) {
        const reason = codeOf(error);
        if (reason !== readiness.reason) log.warn({ reason }, 'not ready yet');
        readiness = { ready: false, reason };
      }
      await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };

  const resources = opened.move();
  return {
    app,
    begin(url) {
      const prepared = prepare(url);
      running = Promise.allSettled([prepared, node.run(signal)]);
      return prepared;
    },
    readiness: () => readiness,
    async close() {
      if (signal.aborted) return;
      readiness = { ready: false, reason: 'CLOSING' };
      await app.close();
      closing.abort();
      await running;
      resources.dispose();
    },
  };
}

/** Builds a proxy, listens and begins. @throws as {@link buildProxy}, or what keeps it from listening */
export async function startProxy(config: ProxyConfig, dependencies: ProxyDependencies = {}): Promise<RunningProxy> {
  const proxy = await buildProxy(config, dependencies);
  try {
    const url = await proxy.app.listen({ host: config.host, port: config.port });
    const close = (): Promise<void> => proxy.close();
    return { url, ready: proxy.begin(config.publicUrl ?? url), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await proxy.close();
    throw error;
  }
}

/** One process for one folder: the lock ends with the process, however it ends. @throws STORE_LOCKED */
function lock(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(folder, 'lock.db'));
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new ProxyError('STORE_LOCKED', 'another process uses this folder', { cause });
  }
  return () => database.close();
}

import rateLimit from '@fastify/rate-limit';
import { endsGracefully, type ServerTls, schemaless, transport } from '@yilian/service';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import type { Limits } from './config.ts';
import { ProxyError, refusal } from './errors.ts';
import type { Metrics } from './metrics.ts';

/** Who calls a route: it decides how often. */
type Caller = 'patient' | 'relay';

/** What one network's proxy answers. Bodies are judged by the handler; nothing has looked at them before. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly caller: Caller;
  /** The signal says that nobody waits for the answer any more. */
  readonly handle: (body: unknown, signal: AbortSignal) => Promise<unknown>;
}

/** Whether orders are taken, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** Code of what is missing. */
  readonly reason?: string;
}

export interface ServerOptions {
  readonly routes: readonly Route[];
  readonly readiness: () => Readiness;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly refreshMetrics: () => void;
  readonly log: Logger;
  readonly tls?: ServerTls | undefined;
}

const BODY_BYTES = 128 * 1024;
const REQUEST_MS = 15_000;
const HEADERS_MS = 5_000;
const KEEP_ALIVE_MS = 10_000;

/** Builds the HTTP server; it does not listen. */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const { routes, readiness, limits, metrics, refreshMetrics, log, tls } = options;
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    ...transport({ headersTimeout: HEADERS_MS, connectionsCheckingInterval: 1_000 }, tls),
    frameworkErrors: (error, _, reply: FastifyReply) => {
      const { status, code, message } = refusal(error);
      void reply.status(status).send({ code, message });
    },
    routerOptions: { maxParamLength: 64 },
    schemaController: schemaless,
  });
  app.server.maxConnections = limits.connections;
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: () => Object.assign(new Error('slow down'), { statusCode: 429 }),
  });

  app.setErrorHandler(async (error, request, reply) => {
    const { status, code, message } = refusal(error);
    if (status === 500) log.error({ route: request.routeOptions.url, err: named(error) }, 'failed');
    refusals.set(request, code);
    if (status === 429 || status === 503 || status === 507) void reply.header('retry-after', '1');
    return reply.status(status).send({ code, message });
  });
  const ending = endsGracefully(app.server);
  app.addHook('preClose', async () => ending());
  app.setNotFoundHandler(async () => {
    throw new ProxyError('NOT_FOUND', 'there is nothing here');
  });
  /** Aborted when the caller goes away without the answer; then no response is ever finished. */
  const leaving = (request: FastifyRequest, reply: FastifyReply): AbortSignal => {
    const controller = new AbortController();
    reply.raw.once('close', () => {
      if (reply.raw.writableEnded) return;
      controller.abort();
      metrics.answered(request.routeOptions.url ?? 'none', 'ABANDONED', reply.elapsedTime / 1000);
    });
    return controller.signal;
  };
  const refusals = new WeakMap<object, string>();
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const code = refusals.get(request) ?? 'OK';
    metrics.answered(route, code, reply.elapsedTime / 1000);
    log.debug({ route, code, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'answered');
  });

  app.get('/health', async () => ({ healthy: true }));
  app.get('/ready', async (_, reply) => reply.status(readiness().ready ? 200 : 503).send(readiness()));
  app.get('/metrics', async (_, reply) => {
    refreshMetrics();
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  for (const { method, path, caller, handle } of routes) {
    const max = caller === 'patient' ? limits.patientRequestsPerMinute : limits.relayRequestsPerMinute;
    app.route({
      method,
      url: path,
      config: { rateLimit: { max, timeWindow: 60_000 } },
      handler: async (request, reply) => {
        const { ready, reason } = readiness();
        if (!ready) throw new ProxyError('NOT_READY', reason ?? 'starting');
        return handle(request.body, leaving(request, reply));
      },
    });
  }
  return app;
}

/** What may be logged of an error nobody foresaw: where it arose, not what it was about. */
function named(error: unknown): { readonly name: string; readonly stack: string | undefined } {
  if (!(error instanceof Error)) return { name: typeof error, stack: undefined };
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return { name: error.name, stack: frames?.slice(0, 8).join('\n') };
}

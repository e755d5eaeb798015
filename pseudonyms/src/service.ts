import { readFile, stat } from 'node:fs/promises';
import rateLimit from '@fastify/rate-limit';
import { type Connection, connect } from '@yilian/ledger';
import { MainChain } from '@yilian/main-chain';
import { FederationId, MspId, parser, type RegionEntry } from '@yilian/protocol';
import { type Static, type TProperties, Type } from '@yilian/schema';
import { endsGracefully, readServerTls, type ServerTls, schemaless, transport } from '@yilian/service';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, LogController } from 'fastify';
import { destination, type Logger, pino } from 'pino';
import { PseudonymAuthority } from './authority.ts';
import { Books } from './books.ts';
import { PseudonymError } from './errors.ts';

const File = Type.String({ minLength: 1, maxLength: 4096 });
const object = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });

/** Configuration of the pseudonym service. */
export const PseudonymConfig = object({
  federation: FederationId,
  /** Holds the PRF key and the audit log. */
  folder: File,
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  /** The certificate it shows, where others reach it over a network; without it, it speaks HTTP. */
  tls: Type.Optional(object({ certificateFile: File, privateKeyFile: File })),
  /** A peer of the main chain, and an identity that may read there: who hospitals are is looked up there. */
  main: object({
    address: Type.String({ minLength: 3, maxLength: 255 }),
    channel: Type.String({ pattern: '^[a-z][a-z0-9.-]{0,248}$' }),
    mspId: MspId,
    certificateFile: File,
    privateKeyFile: File,
    tlsRootsFile: Type.Optional(File),
  }),
  /** Pseudonyms one organisation may ask for in a minute. Default: 120. */
  perMinute: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  logLevel: Type.Optional(Type.String({ pattern: '^(trace|debug|info|warn|error|fatal|silent)$' })),
});
export type PseudonymConfig = Static<typeof PseudonymConfig>;

export interface PseudonymDependencies {
  /** To a peer of the main chain; the caller closes it. Default: by `config.main`. */
  readonly connection?: Connection;
  /** Epoch milliseconds. */
  readonly clock?: () => number;
  readonly log?: Logger;
}

/** The service, which does not listen. */
export interface Pseudonyms {
  readonly app: FastifyInstance;
  readonly close: () => Promise<void>;
}

const parseConfig = parser('pseudonym configuration', PseudonymConfig);
const BODY_BYTES = 16 * 1024;
const CONNECTIONS = 512;
const REGISTRY_TTL_MS = 1_000;
/** Of what may be otherwise a moment later. */
const PASSING: ReadonlySet<number> = new Set([429, 503, 507]);
/** Of one address, before any signature is looked at. */
const CALLS_PER_MINUTE = 6_000;

/** @throws CONFIG_INVALID */
export async function readConfig(file: string): Promise<PseudonymConfig> {
  try {
    return parseConfig(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new PseudonymError('CONFIG_INVALID', cause instanceof Error ? cause.message : 'unreadable', { cause });
  }
}

/** Builds the service; the PRF key is made the first time. @throws CONFIG_INVALID DISK_FULL */
export async function buildPseudonyms(
  config: PseudonymConfig,
  dependencies: PseudonymDependencies = {},
): Promise<Pseudonyms> {
  const { federation, main, perMinute } = config;
  const { clock } = dependencies;
  const tls = await readServerTls(config.tls);
  const connection = dependencies.connection ?? (await connectTo(main));
  const books = await Books.open(config.folder);
  const authority = new PseudonymAuthority({
    federation,
    books,
    regions: registry(new MainChain(connection, main.channel)),
    ...(perMinute !== undefined && { perMinute }),
    ...(clock !== undefined && { clock }),
  });
  const log =
    dependencies.log ??
    pino(
      { level: config.logLevel ?? 'info' },
      destination(2).on('error', () => undefined),
    );
  const app = await createServer(authority, log, tls);
  return {
    app,
    async close() {
      await app.close();
      await books[Symbol.asyncDispose]();
      if (dependencies.connection === undefined) connection.close();
    },
  };
}

/** Builds the service and listens. */
export async function startPseudonyms(
  config: PseudonymConfig,
  dependencies: PseudonymDependencies = {},
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const { app, close } = await buildPseudonyms(config, dependencies);
  try {
    return { url: await app.listen({ host: config.host, port: config.port }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function createServer(
  authority: PseudonymAuthority,
  log: Logger,
  tls: ServerTls | undefined,
): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES,
    requestTimeout: 15_000,
    schemaController: schemaless,
    ...transport({ headersTimeout: 5_000, connectionsCheckingInterval: 1_000 }, tls),
    frameworkErrors: (error, _, reply: FastifyReply) => void answer(error, reply),
  });
  app.server.maxConnections = CONNECTIONS;
  await app.register(rateLimit, { max: CALLS_PER_MINUTE, timeWindow: 60_000, errorResponseBuilder: tooMany });
  const answer = (error: unknown, reply: FastifyReply): FastifyReply => {
    const { code, message, status } = refusal(error);
    log.info({ code }, 'refused');
    if (PASSING.has(status)) void reply.header('retry-after', '1');
    return reply.status(status).send({ code, message });
  };
  app.setErrorHandler(async (error, _request, reply) => answer(error, reply));
  const ending = endsGracefully(app.server);
  app.addHook('preClose', async () => ending());
  app.setNotFoundHandler(async () => {
    throw new PseudonymError('NOT_FOUND', 'there is nothing here');
  });
  app.post('/v1/pseudonyms', async ({ body }) => authority.answer(body));
  app.get('/health', async () => ({ healthy: true }));
  app.get('/ready', async () => ({ ready: true }));
  return app;
}

/** What a caller is told: no text of an error nobody foresaw, which might quote a number. */
function refusal(error: unknown): PseudonymError {
  if (error instanceof PseudonymError) return error;
  const { statusCode } = error as { readonly statusCode?: unknown };
  if (statusCode === 413) return new PseudonymError('TOO_LARGE', 'the body is too large');
  if (typeof statusCode === 'number' && statusCode < 500) return new PseudonymError('MALFORMED', 'not readable');
  return new PseudonymError('INTERNAL', 'the service failed');
}

function tooMany(): PseudonymError {
  return new PseudonymError('TOO_MANY_REQUESTS', 'slow down');
}

/** The registered regions, read anew when older than a second. */
function registry(chain: MainChain): () => Promise<readonly RegionEntry[]> {
  let known: { readonly until: number; readonly regions: Promise<readonly RegionEntry[]> } | undefined;
  return async () => {
    if (known === undefined || performance.now() > known.until) {
      const regions = chain.regions().then((states) => states.map(({ entry }) => entry));
      known = { until: performance.now() + REGISTRY_TTL_MS, regions };
    }
    try {
      return await known.regions;
    } catch (cause) {
      known = undefined;
      throw new PseudonymError('REGISTRY_UNAVAILABLE', 'the main chain does not answer', { cause });
    }
  };
}

async function connectTo(main: PseudonymConfig['main']): Promise<Connection> {
  const { address, mspId, certificateFile, privateKeyFile, tlsRootsFile } = main;
  if (((await stat(privateKeyFile)).mode & 0o077) !== 0)
    throw new PseudonymError('CONFIG_INVALID', 'the private key must be readable by its owner alone (0600)');
  return connect({
    client: address,
    identity: { mspId, certificate: await readFile(certificateFile, 'utf8') },
    privateKey: await readFile(privateKeyFile, 'utf8'),
    ...(tlsRootsFile !== undefined && { tls: { roots: await readFile(tlsRootsFile, 'utf8') } }),
  });
}

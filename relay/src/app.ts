import { timingSafeEqual } from 'node:crypto';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import {
  type AccessQuery,
  type ConsentDenial,
  digest,
  type Grant,
  type KeyCertificate,
  type OpenedReceipt,
  type PatientKey,
  ProxyKey,
  type Revocation,
  type SignedBy,
  utf8Bytes,
} from '@yilian/protocol';
import { Compile, type TSchema, Type } from '@yilian/schema';
import { endsGracefully, type ServerTls, schemaless, transport } from '@yilian/service';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifySchemaValidationError } from 'fastify';
import type { Logger } from 'pino';
import {
  AccessesReply,
  AccessSubmission,
  Answer,
  AnswerHeaders,
  AnswerQuery,
  AnswerReply,
  DeadLetterParameter,
  DeadLettersReply,
  DenialSubmission,
  EnvelopeBody,
  ErrorReply,
  FederationReply,
  GrantReply,
  GrantStatus,
  GrantSubmission,
  HashParameter,
  HealthReply,
  KeyCertificateReply,
  PageParameters,
  PageQuery,
  PatientRegistered,
  PatientRegistration,
  ReadyReply,
  ReceiptReply,
  ReceiptSubmission,
  Replayed,
  RequestAccepted,
  RequestStatus,
  RequestSubmission,
  RevocationSubmission,
  Submitted,
  WaitingReply,
  WaitingSubmission,
} from './api.ts';
import type { Limits } from './config.ts';
import type { DeadLetters } from './dead-letters.ts';
import { RelayError, refusal } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Health } from './health.ts';
import type { Pages } from './pages.ts';
import type { Receipts } from './receipts.ts';
import type { Registry } from './registry.ts';
import type { Requests, SignedRequest } from './requests.ts';
import { secondsToWait, type Watchers } from './watchers.ts';

/** What the routes call. */
export interface Services {
  readonly registry: Registry;
  readonly requests: Requests;
  readonly pages: Pages;
  readonly receipts: Receipts;
  readonly exchange: Exchange;
  readonly watchers: Watchers;
  readonly deadLetters: DeadLetters;
  readonly health: Health;
  readonly operatorToken: string | undefined;
}

const BODY_BYTES = 256 * 1024;
const GRANT_BYTES = 1024 * 1024;
const RATE_WINDOW_MS = 60_000;
/** A whole region speaks through one relay; how much its organisations may ask is the quota's business. */
const RELAY_FACTOR = 20;
const OPEN_PATHS = new Set(['/health', '/ready', '/metrics']);
const errors = { '4xx': ErrorReply, '5xx': ErrorReply };

/** Builds the HTTP interface; it does not listen. */
export async function buildApp(
  services: Services,
  limits: Limits,
  log: Logger,
  tls?: ServerTls,
): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: 15_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 30_000,
    ...transport({ headersTimeout: 5000, connectionsCheckingInterval: 1000 }, tls),
    routerOptions: { maxParamLength: 128 },
    logger: false,
    schemaController: schemaless,
    genReqId: () => '',
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      const { status, code, message } = refusal(error);
      void reply.code(status).send({ code, message });
    },
  });
  app.server.maxConnections = limits.connections;
  app.removeContentTypeParser('text/plain');
  app.setValidatorCompiler(({ schema }) => compile(schema as TSchema));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, request, reply) => {
    const { status, code, message } = refusal(error);
    if (status >= 500) log.warn({ route: request.routeOptions.url, code, error: (error as Error).name }, 'refused');
    if (status === 429 || status === 503) reply.header('retry-after', '1');
    void reply.code(status).send({ code, message });
  });
  const ending = endsGracefully(app.server);
  app.addHook('preClose', async () => ending());
  app.setNotFoundHandler((_request, reply) => {
    void reply.code(404).send({ code: 'NOT_FOUND', message: 'no such resource' });
  });
  await app.register(rateLimit, {
    max: limits.requestsPerMinute,
    timeWindow: RATE_WINDOW_MS,
    cache: 10_000,
    allowList: (request) => OPEN_PATHS.has(request.url),
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Yilian relay', version: '1', description: 'HTTP interface of a region’s relay.' },
    },
  });
  await app.register(async (scope) => routes(scope, services, limits.requestsPerMinute * RELAY_FACTOR));
  return app;
}

function routes(scope: FastifyInstance, services: Services, relayRequestsPerMinute: number): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>();
  const { registry, requests, pages, receipts, exchange, watchers, deadLetters, health } = services;
  const answers = <S>(schema: S) => ({ 200: schema, ...errors });

  app.get('/v1/federation', { schema: { response: answers(FederationReply) } }, () => registry.federation());
  app.post(
    '/v1/patients',
    { schema: { body: PatientRegistration, response: answers(PatientRegistered) } },
    ({ body }) => registry.registerPatient(body.patientKey as SignedBy<typeof PatientKey>),
  );
  app.get(
    '/v1/key-certificates/:id',
    { schema: { params: HashParameter, response: answers(KeyCertificateReply) } },
    ({ params }) => registry.keyCertificate(params.id),
  );
  app.get('/v1/proxies', { schema: { response: answers(Type.Array(ProxyKey.signed)) } }, () => registry.proxies());
  app.post(
    '/v1/grants',
    { bodyLimit: GRANT_BYTES, schema: { body: GrantSubmission, response: answers(GrantReply) } },
    ({ body }) =>
      registry.grant(
        body.grant as SignedBy<typeof Grant>,
        body.keyCertificate as SignedBy<typeof KeyCertificate>,
        body.registration,
      ),
  );
  app.get('/v1/grants/:id', { schema: { params: HashParameter, response: answers(GrantStatus) } }, ({ params }) =>
    registry.grantStatus(params.id),
  );
  app.post('/v1/revocations', { schema: { body: RevocationSubmission, response: answers(Submitted) } }, ({ body }) =>
    registry.revoke(body as SignedBy<typeof Revocation>),
  );
  app.post('/v1/denials', { schema: { body: DenialSubmission, response: answers(Submitted) } }, ({ body }) =>
    registry.decline(body as SignedBy<typeof ConsentDenial>),
  );
  app.post('/v1/accesses', { schema: { body: AccessSubmission, response: answers(AccessesReply) } }, ({ body }) =>
    registry.accesses(body.query as SignedBy<typeof AccessQuery>, body.next),
  );
  app.post('/v1/waiting', { schema: { body: WaitingSubmission, response: answers(WaitingReply) } }, ({ body }) =>
    registry.waiting(body.query as SignedBy<typeof AccessQuery>, body.next),
  );

  app.post(
    '/v1/requests',
    { schema: { body: RequestSubmission, response: { 202: RequestAccepted, ...errors } } },
    async ({ body }, reply) => {
      const accepted = await requests.submit(body.request as SignedRequest);
      return reply.code(202).send(accepted);
    },
  );
  app.get('/v1/requests/:id', { schema: { params: HashParameter, response: answers(RequestStatus) } }, ({ params }) =>
    requests.status(params.id),
  );
  app.get(
    '/v1/requests/:id/answer',
    {
      schema: {
        params: HashParameter,
        querystring: AnswerQuery,
        headers: AnswerHeaders,
        response: answers(AnswerReply),
      },
    },
    async ({ params, query, headers }, reply) => {
      const status = await watchers.final(params.id, secondsToWait(headers.prefer), reply.raw);
      return requests.answer(params.id, [query.without ?? []].flat(), status);
    },
  );
  app.get(
    '/v1/requests/:id/pages/:page',
    { schema: { params: PageParameters, querystring: PageQuery, response: answers(Answer) } },
    ({ params, query }) => pages.page(params.id, query.region, Number(params.page)),
  );
  app.get(
    '/v1/requests/:id/events',
    { schema: { params: HashParameter, produces: ['text/event-stream'] } },
    async ({ params }, reply) => {
      await watchers.stream(params.id, () => {
        reply.hijack();
        return reply.raw;
      });
      return reply;
    },
  );
  app.post('/v1/receipts', { schema: { body: ReceiptSubmission, response: answers(ReceiptReply) } }, ({ body }) =>
    receipts.submit(body.receipt as SignedBy<typeof OpenedReceipt>),
  );
  const rateLimitOfRelays = { max: relayRequestsPerMinute, timeWindow: RATE_WINDOW_MS };
  app.post(
    '/v1/relay',
    { config: { rateLimit: rateLimitOfRelays }, schema: { body: EnvelopeBody, response: answers(EnvelopeBody) } },
    ({ body }) => exchange.receive(body),
  );

  const onRequest = async (request: { headers: Record<string, string | string[] | undefined> }) =>
    requireOperator(services.operatorToken, request.headers['authorization']);
  app.get('/v1/dead-letters', { onRequest, schema: { response: answers(DeadLettersReply) } }, () => deadLetters.list());
  app.post(
    '/v1/dead-letters/:id/replay',
    { onRequest, schema: { params: DeadLetterParameter, response: answers(Replayed) } },
    async ({ params }) => {
      await deadLetters.replay(params.id);
      return { replayed: true as const };
    },
  );

  app.get('/v1/openapi.json', { schema: { hide: true } }, () => scope.swagger());
  app.get('/health', { schema: { response: answers(HealthReply) } }, () => ({ healthy: true as const }));
  app.get('/ready', { schema: { response: { ...answers(ReadyReply), 503: ReadyReply } } }, async (_request, reply) => {
    const state = await health.ready();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    const text = await health.metrics();
    return reply
      .type('text/plain; version=0.0.4; charset=utf-8')
      .serializer((value: string) => value)
      .send(text);
  });
}

/** Whatever a path, a query or a header holds is a string here, so nothing is converted. */
function compile(schema: TSchema): (value: unknown) => { value: unknown } | { error: FastifySchemaValidationError[] } {
  const validator = Compile(schema);
  return (value) => (validator.Check(value) ? { value } : { error: validator.Errors(value)[1] });
}

/** @throws OPERATOR_ONLY */
function requireOperator(token: string | undefined, header: string | string[] | undefined): void {
  const given = typeof header === 'string' && header.startsWith('Bearer ') ? header.slice(7) : '';
  const same =
    token !== undefined &&
    token.length >= 16 &&
    timingSafeEqual(Buffer.from(digest(utf8Bytes(given))), Buffer.from(digest(utf8Bytes(token))));
  if (!same) throw new RelayError('OPERATOR_ONLY', 'for operators with the token of this relay');
}

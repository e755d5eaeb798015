import type { AddressInfo } from 'node:net';
import { Envelope, signDocument } from '@yilian/protocol';
import type { TSchema } from '@yilian/schema';
import { Compile } from '@yilian/schema';
import { junk, mutated, RUNS, slowSenders } from '@yilian/testbed';
import { Queue } from 'bullmq';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEDERATION, Federation, OPERATOR_TOKEN, type Region, until } from './fixture/federation.ts';
import { hash, Patient, Practitioner, signerOf } from './fixture/people.ts';
import { patientOf, reached, submit } from './fixture/steps.ts';

/** Whatever is sent to whichever route, or put into Redis: a refusal with a code, and the relay goes on. */
const JSON_TYPE = { 'content-type': 'application/json' };
const OPERATOR = { authorization: `Bearer ${OPERATOR_TOKEN}` };
/** Routes that are not described: the description itself, and figures for Prometheus. */
const UNDESCRIBED = ['get /v1/openapi.json', 'get /metrics'];
/** The largest body a route takes. */
const MOST_LETTERS = 900;
const BODY_BYTES: Readonly<Record<string, number>> = { 'post /v1/grants': 1024 * 1024 };

/** Routes whose success needs a story of its own: pages.test.ts and service.test.ts tell it. */
const ELSEWHERE = ['get /v1/requests/{id}/pages/{page}', 'post /v1/dead-letters/{id}/replay'];

interface Operation {
  readonly requestBody?: unknown;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly content?: { 'application/json'?: { schema: TSchema } } }>>;
}

let federation: Federation;
let north: Region;
let operations: ReadonlyMap<string, Operation>;
/** What each route takes: a body, or the values of its parameters. */
let valid: Readonly<Record<string, () => Promise<unknown>>>;

beforeAll(async () => {
  federation = await Federation.open({ requestsPerMinute: 1_000_000 });
  const { south } = federation;
  ({ north } = federation);
  await federation.settle();
  const description: { paths: Record<string, Record<string, Operation>> } = (
    await inject('get', '/v1/openapi.json')
  ).json();
  operations = new Map(
    Object.entries(description.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => [`${method} ${path}`, operation] as const),
    ),
  );
  const [doctor, foreign] = [await Practitioner.register(north), await Practitioner.register(south)];
  const patient = await patientOf(federation, north, doctor);
  const waiting = await patientOf(federation, north);
  const { requestId } = await submit(north, doctor.ask(patient.pseudonym));
  const { outcome, transactionId } = await north.chain.outcome(requestId);
  const records = (outcome.release?.records ?? []).map(({ recordId }) => recordId);
  const open = await submit(north, doctor.ask(waiting.pseudonym, { waitForConsent: true }));
  const grantId = await waiting.grant(foreign);
  let sequence = Date.now() * 1000;
  const envelope = () => {
    sequence += 1;
    const { keyCertificate } = foreign;
    const [issuedAt, body] = [Date.now(), { request: foreign.ask(patient.pseudonym), keyCertificate }];
    const at = { sequence, issuedAt, expiresAt: issuedAt + 20_000 };
    const document = { federation: FEDERATION, from: 'south', to: 'north', ...at, kind: 'ask', body };
    return signDocument(Envelope, document, [signerOf(south.relayCredential)]);
  };
  valid = {
    'get /v1/federation': async () => ({}),
    'get /v1/key-certificates/{id}': async () => ({ id: doctor.keyCertificateId }),
    'get /v1/proxies': async () => ({}),
    'get /v1/grants/{id}': async () => ({ id: grantId }),
    'get /v1/requests/{id}': async () => ({ id: requestId }),
    'get /v1/requests/{id}/answer': async () => ({ id: requestId, without: 'NorthSecond' }),
    'get /v1/requests/{id}/events': async () => ({ id: requestId }),
    'get /v1/dead-letters': async () => ({}),
    'get /health': async () => ({}),
    'get /ready': async () => ({}),
    'post /v1/patients': async () => ({ patientKey: Patient.arrive(north).patientKey }),
    'post /v1/grants': () => patient.consent(foreign),
    'post /v1/revocations': async () => patient.revocation(await patient.grant(foreign)),
    'post /v1/denials': async () => waiting.denial(open.requestId),
    'post /v1/accesses': async () => ({ query: patient.query() }),
    'post /v1/waiting': async () => ({ query: waiting.query() }),
    'post /v1/requests': async () => ({ request: doctor.ask(patient.pseudonym) }),
    'post /v1/receipts': async () => ({ receipt: doctor.receipt('north', requestId, transactionId, records) }),
    'post /v1/relay': async () => envelope(),
  };
});

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

function inject(method: string, url: string, payload?: string, headers: object = JSON_TYPE) {
  if (north.relay === undefined) throw new Error('no relay');
  const body = payload === undefined ? { headers: OPERATOR } : { headers: { ...OPERATOR, ...headers }, payload };
  return north.relay.app.inject({ method: method.toUpperCase() as 'GET', url, ...body });
}

interface Answer {
  readonly statusCode: number;
  readonly body: string;
}

function expectRefusal({ statusCode, body }: Answer): string {
  expect(Math.trunc(statusCode / 100), body).toBe(4);
  const { code, message, ...rest } = JSON.parse(body) as Record<string, unknown>;
  expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
  expect(message).not.toMatch(/\bat .*:\d+:\d+|node_modules|\.ts\b/);
  expect(rest).toEqual({});
  return String(code);
}

/** The operation's path with its parameters filled in, and the query. */
function urlOf(name: string, values: Readonly<Record<string, string>>): string {
  const parameters = operations.get(name)?.parameters ?? [];
  const path = name
    .slice(name.indexOf('/'))
    .replace(/{(\w+)}/g, (_, part: string) => encodeURIComponent(values[part] ?? ''));
  const query = parameters.filter((parameter) => parameter.in === 'query').map((parameter) => parameter.name);
  return `${path}?${query.map((part) => `${part}=${encodeURIComponent(values[part] ?? '')}`).join('&')}`;
}

const named = (test: (operation: Operation, name: string) => boolean) =>
  [...operations].filter(([name, operation]) => test(operation, name)).map(([name]) => name);
const withBody = () => named(({ requestBody }) => requestBody !== undefined);
const withParameters = () => named(({ parameters }) => (parameters ?? []).length > 0);

/** A grant rests on its own signature alone: of the certificate that comes with it the chain may know already. */
function changes(body: unknown): fc.Arbitrary<unknown> {
  const { grant, ...rest } = body as { readonly grant?: unknown };
  return grant === undefined ? mutated(body) : mutated(grant).map((other) => ({ ...rest, grant: other }));
}

describe('every route of the relay', () => {
  it('is described, and tried here', () => {
    const above: string[] = [];
    const routes = (north.relay?.app.printRoutes({ commonPrefix: false }) ?? '').split('\n').flatMap((line) => {
      const [, indent = '', part = '', methods = ''] = /^([│├└─ ]+)(\S+) \((.+)\)$/.exec(line) ?? [];
      above.splice(indent.length / 4 - 1, above.length, part);
      const path = above.join('').replace(/:(\w+)/g, '{$1}');
      return methods
        .split(', ')
        .flatMap((method) => (['HEAD', ''].includes(method) ? [] : [`${method.toLowerCase()} ${path}`]));
    });
    expect(routes.toSorted()).toEqual([...operations.keys(), ...UNDESCRIBED].toSorted());
    expect([...Object.keys(valid), ...ELSEWHERE].toSorted()).toEqual([...operations.keys()].toSorted());
  });

  it('refuses junk, and a body with any part changed, with a code; the body itself it takes, and answers as described', async () => {
    await Promise.all(
      withBody().map(async (name) => {
        const [method = '', path = ''] = name.split(' ');
        const body = await valid[name]?.();
        const wrong = fc.oneof(
          junk(),
          changes(body).map((other) => JSON.stringify(other) ?? ''),
        );
        await fc.assert(
          fc.asyncProperty(wrong, async (payload) => void expectRefusal(await inject(method, path, payload))),
          { numRuns: RUNS },
        );
        expectAsDescribed(name, await inject(method, path, JSON.stringify(body)));
      }),
    );
  });

  it('refuses parameters that name nothing with a code; those that do it takes, and answers as described', async () => {
    const text = fc.oneof(
      fc.string(),
      fc.constant('').map(hash),
      fc.constantFrom('1', 'north', 'legs.1', '.', '..', '%00'),
    );
    await Promise.all(
      withParameters().map(async (name) => {
        const [method = ''] = name.split(' ');
        await fc.assert(
          fc.asyncProperty(fc.record({ id: text, page: text, region: text, without: text }), async (values) => {
            expectRefusal(await inject(method, urlOf(name, values)));
          }),
          { numRuns: RUNS },
        );
      }),
    );
    for (const name of Object.keys(valid).filter((each) => each.startsWith('get '))) {
      const values = (await valid[name]?.()) as Record<string, string>;
      expectAsDescribed(name, await inject('get', urlOf(name, values)));
    }
    for (const url of ['/v1/requests/%', '/v1/%ff', `/${'x'.repeat(5000)}`, '/v1/requests//answer'])
      expectRefusal(await inject('get', url));
  });

  it('refuses what is too large or of another type', async () => {
    for (const name of named((_, operation) => operation.startsWith('post '))) {
      const large = `"${'x'.repeat(BODY_BYTES[name] ?? 256 * 1024)}"`;
      const url = urlOf(name, { id: 'legs.1' });
      const codes = [
        expectRefusal(await inject('post', url, large)),
        expectRefusal(await inject('post', url, 'x', { 'content-type': 'text/plain' })),
      ];
      expect([name, ...codes]).toEqual([name, 'TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE']);
    }
  });

  it('is closed for a while to an address that calls too often, but for health and figures', async () => {
    const narrow = await federation.buildRelay(north, { requestsPerMinute: 2 });
    const call = (url: string) => narrow.app.inject({ url });
    try {
      for (let time = 0; time < 2; time += 1) expect((await call(`/v1/grants/${hash()}`)).statusCode).toBe(404);
      const refused = await call(`/v1/grants/${hash()}`);
      expect([refused.statusCode, expectRefusal(refused)]).toEqual([429, 'TOO_MANY_REQUESTS']);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect((await call('/health')).statusCode).toBe(200);
      const relay = await narrow.app.inject({ method: 'POST', url: '/v1/relay', payload: {} });
      expect(expectRefusal(relay)).toBe('MALFORMED');
    } finally {
      await narrow.close();
    }
  });
});

function expectAsDescribed(name: string, { statusCode, body }: Answer): void {
  expect([name, statusCode, body]).toEqual([name, name === 'post /v1/requests' ? 202 : 200, expect.anything()]);
  const schema = operations.get(name)?.responses[statusCode]?.content?.['application/json']?.schema;
  if (schema === undefined)
    expect([name, body]).toEqual(['get /v1/requests/{id}/events', expect.stringContaining('event: status')]);
  else expect([name, Compile(schema).Errors(JSON.parse(body))]).toEqual([name, [true, []]]);
}

it('a head or a body that never ends costs its sender the connection, and others are served meanwhile', async () => {
  if (north.relay === undefined) throw new Error('no relay');
  const { app } = north.relay;
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  expect(app.server).toMatchObject({ requestTimeout: 15_000, headersTimeout: 5_000 });
  Object.assign(app.server, { requestTimeout: 300, headersTimeout: 300 });
  using slow = slowSenders(port, '/v1/requests');
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  await slow.cutOff;
});

describe('jobs that somebody put into Redis', () => {
  const connections: Redis[] = [];
  const queues = new Map<string, Queue>();
  beforeAll(() => {
    const connection = new Redis({ path: new URL(north.redis.url).pathname, maxRetriesPerRequest: null });
    connections.push(connection);
    for (const name of ['legs', 'decide', 'mirror'])
      queues.set(name, new Queue(name, { connection, prefix: `yilian:${FEDERATION}:north` }));
  });
  afterAll(async () => {
    for (const queue of queues.values()) await queue.close();
    for (const connection of connections) connection.disconnect();
  });

  type Forged = readonly [queue: string, name: string, data: unknown];

  /** Puts them into Redis and waits until none is left to do. Returns which are dead letters. */
  async function judged(jobs: readonly Forged[]): Promise<boolean[]> {
    const added = await Promise.all(jobs.map(([queue, name, data]) => (queues.get(queue) as Queue).add(name, data)));
    return until(() =>
      Promise.all(
        added.map(async (job) => {
          const state = await job.getState();
          expect([job.queueName, job.name, job.data, state]).toEqual([
            job.queueName,
            job.name,
            job.data,
            expect.stringMatching(/failed|unknown/),
          ]);
          return state === 'failed';
        }),
      ),
    );
  }

  it('are dead letters when they are no jobs', async () => {
    const name = fc.oneof(
      fc.constantFrom('constructor', 'toString', 'valueOf', '__proto__', 'hasOwnProperty'),
      fc.string({ minLength: 1 }).filter((text) => !/^(outcomes|receipts|regions|index|checkpoint)$/.test(text)),
    );
    const data = fc.oneof(fc.object(), fc.array(fc.jsonValue()), fc.constant({}));
    const leg = { requestId: hash(), region: 'north' };
    const near = fc.constantFrom<unknown>(
      { ...leg, region: 'North' },
      { ...leg, more: 1 },
      { ...leg, requestId: 'x' },
      [leg],
    );
    const forged: fc.Arbitrary<Forged> = fc.oneof(
      fc.tuple(fc.constantFrom('legs', 'decide', 'mirror'), name, data),
      fc.tuple(fc.constant('legs'), fc.constantFrom('leg', 'absence'), fc.oneof(data, near)),
      fc.tuple(fc.constant('decide'), fc.constant('decide'), data),
      fc.tuple(fc.constant('mirror'), fc.constant('forward'), data),
    );
    const jobs = fc.sample(forged, Math.min(4 * RUNS, MOST_LETTERS));
    expect(await judged(jobs)).toEqual(jobs.map(() => true));
  });

  it('do nothing when they look like jobs and are false', async () => {
    const doctor = await Practitioner.register(north);
    const patient = await patientOf(federation, north, doctor);
    const request = doctor.ask(patient.pseudonym);
    const receipt = doctor.receipt('nowhere', hash(), '0'.repeat(64), ['A'.repeat(22)]);
    const jobs: Forged[] = [
      ...fc.sample(mutated(request), RUNS).map((other): Forged => ['decide', 'decide', { request: other }]),
      ['mirror', 'forward', { receipt }],
      ['legs', 'absence', { requestId: (await submit(north, request)).requestId }],
    ];
    const before = north.network.node.height();
    await judged(jobs);
    expect(north.network.node.height()).toBe(before);
    const { requestId } = await submit(north, doctor.ask(patient.pseudonym));
    await reached(north, requestId, 'released');
  });
});

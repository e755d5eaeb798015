import { Queue } from 'bullmq';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeadLetter, RequestStatus } from '../src/api.ts';
import { FEDERATION, Federation, OPERATOR_TOKEN, type Region, until } from './fixture/federation.ts';
import { hash, Practitioner } from './fixture/people.ts';
import { patientOf, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let connection: Redis;

beforeAll(async () => {
  federation = await Federation.open({ decisionsPerOrganisation: 2, decisionsAtOnce: 1, eventStreams: 2 });
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
  connection = new Redis({ path: new URL(north.redis.url).pathname, maxRetriesPerRequest: null });
});

afterAll(async () => {
  connection?.disconnect();
  await federation?.[Symbol.asyncDispose]();
});

function inject(region: Region, options: object) {
  if (region.relay === undefined) throw new Error('no relay');
  return region.relay.app.inject(options);
}

const queue = (name: string) => new Queue(name, { connection, prefix: `yilian:${FEDERATION}:north` });
const operator = { authorization: `Bearer ${OPERATOR_TOKEN}` };

describe('the HTTP interface', () => {
  it('describes every route in OpenAPI 3.1, with schemas', async () => {
    const description: { openapi: string; paths: Record<string, Record<string, unknown>> } = (
      await inject(south, { url: '/v1/openapi.json' })
    ).json();
    expect(description.openapi).toBe('3.1.0');
    expect(Object.keys(description.paths).sort()).toEqual(
      [
        '/health',
        '/ready',
        '/v1/accesses',
        '/v1/dead-letters',
        '/v1/dead-letters/{id}/replay',
        '/v1/denials',
        '/v1/federation',
        '/v1/grants',
        '/v1/grants/{id}',
        '/v1/key-certificates/{id}',
        '/v1/patients',
        '/v1/proxies',
        '/v1/receipts',
        '/v1/relay',
        '/v1/requests',
        '/v1/requests/{id}',
        '/v1/requests/{id}/answer',
        '/v1/requests/{id}/events',
        '/v1/requests/{id}/pages/{page}',
        '/v1/revocations',
        '/v1/waiting',
      ].sort(),
    );
    for (const [path, item] of Object.entries(description.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        const { requestBody, responses } = operation as { requestBody?: unknown; responses?: Record<string, unknown> };
        expect({ path, body: requestBody !== undefined }).toEqual({
          path,
          body: method === 'post' && !path.includes('dead'),
        });
        expect(Object.keys(responses ?? {}).length).toBeGreaterThan(0);
      }
    }
  });

  it('answers malformed bodies on every route with 4xx, a code and no stack', async () => {
    const posts = ['patients', 'grants', 'revocations', 'requests', 'receipts', 'accesses', 'denials', 'relay'];
    const gets = ['key-certificates/', 'grants/', 'requests/', 'dead-letters/'];
    const check = ({ statusCode, body }: { statusCode: number; body: string }) => {
      expect(statusCode).toBeGreaterThanOrEqual(400);
      expect(statusCode).toBeLessThan(500);
      const { code, message, ...rest } = JSON.parse(body) as Record<string, unknown>;
      expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
      expect(String(message)).not.toMatch(/\bat .*\.ts:|node_modules/);
      expect(rest).toEqual({});
    };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...posts), fc.oneof(fc.json(), fc.string()), async (path, payload) => {
        const headers = { 'content-type': 'application/json' };
        check(await inject(south, { method: 'POST', url: `/v1/${path}`, headers, payload }));
      }),
      { numRuns: 120 },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...gets), fc.string({ minLength: 1 }), async (path, id) => {
        check(await inject(south, { url: `/v1/${path}${encodeURIComponent(id)}` }));
      }),
      { numRuns: 60 },
    );
  });

  it('answers a valid request with any part changed by a refusal', async () => {
    const request = doctor.ask(hash());
    const parts = Object.keys(request.document);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...parts), fc.jsonValue(), async (part, value) => {
        const altered = { ...request, document: { ...request.document, [part]: value } };
        fc.pre(JSON.stringify(altered) !== JSON.stringify(request));
        const { status } = await south.call('POST', '/v1/requests', { request: altered });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses what is too large, of another type or unknown', async () => {
    const json = { 'content-type': 'application/json' };
    const large = JSON.stringify({ request: 'x'.repeat(300_000) });
    const cases = [
      [{ method: 'POST', url: '/v1/requests', headers: json, payload: large }, 413, 'TOO_LARGE'],
      [
        { method: 'POST', url: '/v1/requests', headers: { 'content-type': 'text/plain' }, payload: 'x' },
        415,
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      [{ url: '/v1/nothing' }, 404, 'NOT_FOUND'],
      [{ url: `/v1/requests/${hash()}` }, 404, 'REQUEST_UNKNOWN'],
      [{ url: `/v1/requests/${hash()}/answer` }, 404, 'REQUEST_UNKNOWN'],
      [{ url: `/v1/requests/${hash()}/events` }, 404, 'REQUEST_UNKNOWN'],
      [{ url: `/v1/grants/${hash()}` }, 404, 'GRANT_UNKNOWN'],
    ] as const;
    for (const [options, status, code] of cases) {
      const response = await inject(south, options);
      expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([status, code]);
    }
    const foreign = await north.call('POST', '/v1/requests', { request: doctor.ask(hash()) });
    expect(foreign).toMatchObject({ status: 422, body: { code: 'REGION_MISMATCH' } });
  });

  it('is ready with both chains and Redis, and shows its figures without identifiers', async () => {
    const patient = await patientOf(federation, north, doctor);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await reached(south, requestId, 'released');
    const { status, body } = await south.call('GET', '/ready');
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { ready: true, redis: true, regional: true, main: true },
    });
    const { payload } = await inject(south, { url: '/metrics' });
    expect(payload).toMatch(/yilian_relay_phase_seconds_count\{phase="leg"\} [1-9]/);
    expect(payload).toMatch(/yilian_relay_legs_total\{region="north",state="released"\} [1-9]/);
    expect(payload).toMatch(/yilian_relay_dead_letters\{queue="legs"\} 0/);
    for (const secret of [requestId, patient.pseudonym, doctor.keyCertificateId]) expect(payload).not.toContain(secret);
  });
});

describe('the event stream of a request', () => {
  it('sends the whole state at every change, and ends with the final one', async () => {
    const patient = await patientOf(federation, north);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym, { waitForConsent: true }));
    await reached(south, requestId, 'waiting');
    const url = await south.relay?.app.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/v1/requests/${requestId}/events`);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const others = [await fetch(`${url}/v1/requests/${requestId}/events`)];
    const refused = await fetch(`${url}/v1/requests/${requestId}/events`);
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([429, 'BUSY']);
    await patient.grant(doctor);
    const states = (await response.text())
      .split('\n\n')
      .filter((event) => event.startsWith('event: status\n'))
      .map((event) => JSON.parse(event.slice(event.indexOf('{'))) as RequestStatus);
    expect(states[0]?.legs.map((leg) => leg.state)).toEqual(['waiting']);
    expect(states.at(-1)).toMatchObject({ requestId, final: true, legs: [{ region: 'north', state: 'released' }] });
    for (const other of others) expect(await other.text()).toContain('"final":true');
  });
});

describe('the decide queue', () => {
  it('lets an organisation wait only so often, and lets organisations take turns', async () => {
    const other = await Practitioner.register(south, south.network.mspIds[2]);
    const patients = await Promise.all([1, 2, 3, 4].map(() => patientOf(federation, north)));
    const [first, second, third, fourth] = patients.map(({ pseudonym }) => pseudonym);
    const decide = queue('decide');
    await decide.pause();
    const requests = [doctor.ask(first ?? ''), doctor.ask(second ?? ''), other.ask(third ?? '')];
    const accepted = [];
    for (const [index, request] of requests.entries()) {
      accepted.push(await submit(south, request));
      await until(async () => expect(await decide.getPrioritizedCount()).toBe(index + 1));
    }
    const { requestId: late } = await submit(south, doctor.ask(fourth ?? ''));
    await until(async () => {
      const { body } = await south.call<RequestStatus>('GET', `/v1/requests/${late}`);
      expect(body.legs).toMatchObject([{ state: 'pending', code: 'BUSY' }]);
    });
    await decide.resume();
    for (const { requestId } of [...accepted, { requestId: late }]) await reached(south, requestId, 'denied');
    const decided = await Promise.all(
      accepted.map(async ({ requestId }) => (await north.chain.outcome(requestId)).outcome.decidedAt),
    );
    const [one = 0, two = 0, turn = 0] = decided;
    expect(one).toBeLessThan(turn);
    expect(turn).toBeLessThan(two);
    await decide.close();
  });
});

describe('dead letters', () => {
  it('hold forged jobs, for operators alone', async () => {
    const legs = queue('legs');
    await legs.add('leg', { requestId: 'nonsense', region: 'north' });
    const decide = queue('decide');
    await decide.add('decide', { request: { type: 'request', document: {}, signatures: [] } });
    const mirror = queue('mirror');
    await mirror.add('forward', {});
    await mirror.add('unheard-of', {});
    expect((await inject(north, { url: '/v1/dead-letters' })).statusCode).toBe(401);
    const wrong = { authorization: 'Bearer operator-token-for-other-tests' };
    expect((await inject(north, { url: '/v1/dead-letters', headers: wrong })).statusCode).toBe(401);
    const letters = await until(async () => {
      const found = (await inject(north, { url: '/v1/dead-letters', headers: operator })).json() as DeadLetter[];
      expect(found.map(({ name }) => name).sort()).toEqual(['decide', 'forward', 'leg', 'unheard-of']);
      return found;
    });
    const { id = '' } = letters.find(({ name }) => name === 'leg') ?? {};
    const url = `/v1/dead-letters/${id}/replay`;
    expect((await inject(north, { method: 'POST', url })).statusCode).toBe(401);
    expect((await inject(north, { method: 'POST', url, headers: operator })).json()).toEqual({ replayed: true });
    const unknown = { method: 'POST', url: '/v1/dead-letters/legs.999999/replay', headers: operator };
    expect((await inject(north, unknown)).json()).toMatchObject({ code: 'LETTER_UNKNOWN' });
    await Promise.all([legs, decide, mirror].map((each) => each.close()));
  });
});

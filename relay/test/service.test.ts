import { X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { documentId, Request } from '@yilian/protocol';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AnswerReply, DeadLetter, RequestStatus } from '../src/api.ts';
import { secondsToWait } from '../src/watchers.ts';
import { FEDERATION, Federation, OPERATOR_TOKEN, type Region, until } from './fixture/federation.ts';
import { hash, Patient, Practitioner } from './fixture/people.ts';
import { indexed, patientOf, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let connection: Redis;

beforeAll(async () => {
  federation = await Federation.open({ watchers: 2 });
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
  connection = new Redis({ path: new URL(south.redis.url).pathname, maxRetriesPerRequest: null });
});

afterAll(async () => {
  connection?.disconnect();
  await federation?.[Symbol.asyncDispose]();
});

function inject(region: Region, options: object) {
  if (region.relay === undefined) throw new Error('no relay');
  return region.relay.app.inject(options);
}

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

  it('says what is unknown or somebody else’s', async () => {
    const cases = [
      [{ url: '/v1/nothing' }, 404, 'NOT_FOUND'],
      [{ url: `/v1/requests/${hash()}` }, 404, 'REQUEST_UNKNOWN'],
      [{ url: `/v1/requests/${hash()}/answer` }, 404, 'REQUEST_UNKNOWN'],
      [{ url: `/v1/requests/${hash()}/events` }, 404, 'REQUEST_UNKNOWN'],
      [{ url: `/v1/requests/${hash()}/pages/1?region=north` }, 404, 'REQUEST_UNKNOWN'],
      [{ url: `/v1/grants/${hash()}` }, 404, 'GRANT_UNKNOWN'],
      [{ url: `/v1/key-certificates/${hash()}` }, 404, 'KEY_CERTIFICATE_UNKNOWN'],
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
    const expiry = Number(/^yilian_relay_certificate_expiry_seconds (\d+)$/m.exec(payload)?.[1]);
    const ends = new X509Certificate(south.relayCredential.certificate).validToDate.getTime() / 1000;
    expect(expiry).toBeLessThanOrEqual(ends);
    expect(expiry).toBeGreaterThan(ends - 3600);
    expect(payload).toMatch(/yilian_relay_dead_letters\{queue="legs"\} 0/);
    expect(payload).toMatch(/^yilian_relay_redis_memory_used_bytes [1-9]/m);
    for (const secret of [requestId, patient.pseudonym, doctor.keyCertificateId]) expect(payload).not.toContain(secret);
  });
});

describe('the figures of its Redis', () => {
  const figures = async () => {
    const { payload } = await inject(south, { url: '/metrics' });
    const lines = [...payload.matchAll(/^yilian_relay_redis_(\w+) (\S+)$/gm)];
    return Object.fromEntries(lines.map(([, name = '', value]) => [name, Number(value)]));
  };

  it('say when it may lose what is queued, and what it has evicted', async () => {
    expect(await figures()).toMatchObject({ up: 1, durable: 1, aof_failing: 0, memory_limit_bytes: 0 });
    try {
      await connection.config('SET', 'maxmemory-policy', 'allkeys-lru');
      expect(await figures()).toMatchObject({ durable: 0, evicted_keys_total: 0, rejected_connections_total: 0 });
    } finally {
      await connection.config('SET', 'maxmemory-policy', 'noeviction');
    }
    expect(await figures()).toMatchObject({ durable: 1 });
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

describe('an answer that is waited for', () => {
  const waiting = async () => {
    const patient = await patientOf(federation, north);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym, { waitForConsent: true }));
    await reached(south, requestId, 'waiting');
    const { port } = south.relay!.app.server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/v1/requests/${requestId}/answer`;
    const answer = async (prefer: string, init: RequestInit = {}) => {
      const response = await fetch(url, { ...init, headers: { prefer } });
      return (await response.json()) as AnswerReply;
    };
    const watched = async () => {
      const watching = new AbortController();
      const { status } = await fetch(url.replace('answer', 'events'), { signal: watching.signal });
      watching.abort();
      return status;
    };
    return { patient, requestId, answer, watched };
  };

  it('comes whole with the last leg’s final word', async () => {
    const { patient, requestId, answer } = await waiting();
    const asked = answer('respond-async, wait=30');
    await patient.grant(doctor);
    expect(await asked).toMatchObject({ status: { requestId, final: true }, answers: [{ region: 'north' }] });
  });

  it('says where the request stands when the time is over, nobody wants to wait, or too many do', async () => {
    const { patient, answer, watched } = await waiting();
    const unfinished = { status: { final: false, legs: [{ state: 'waiting' }] }, answers: [] };
    for (const prefer of ['wait=1', 'wait=0', 'wait=-1', 'wait=soon', 'awaited=9'])
      expect(await answer(prefer)).toMatchObject(unfinished);
    const gone = new AbortController();
    const left = [1, 2].map(() => answer('wait=30', { signal: gone.signal }));
    await until(async () => expect(await watched()).toBe(429));
    expect(await answer('wait=30')).toMatchObject(unfinished);
    gone.abort();
    await Promise.allSettled(left);
    await until(async () => expect(await watched()).toBe(200));
    await patient.grant(doctor);
    expect(await answer('wait=30')).toMatchObject({ status: { final: true } });
  });

  it.each([
    [undefined, 0],
    ['', 0],
    ['wait=12', 12],
    ['Wait="7"; x=1', 7],
    ['respond-async, wait=20', 20],
    ['wait=99999', 0],
    ['wait=1e3', 0],
    ['nowait=5', 0],
  ])('is waited for as RFC 7240 has it: %s', (prefer, seconds) => {
    expect(secondsToWait(prefer)).toBe(seconds);
  });
});

describe('dead letters', () => {
  it('are for operators alone, and their work is done when they are replayed in better times', async () => {
    // A leg to a region that, as far as the index knows, does not hold the patient.
    const patient = await Patient.enrol(north);
    const request = doctor.ask(patient.pseudonym);
    const requestId = documentId(Request.type, request.document);
    const legs = new Queue('legs', { connection, prefix: `yilian:${FEDERATION}:south` });
    await legs.add('leg', { requestId, region: 'north', request });
    const list = '/v1/dead-letters';
    const [letter] = await until(async () => {
      const found: DeadLetter[] = (await inject(south, { url: list, headers: operator })).json();
      expect(found).toMatchObject([{ name: 'leg', reason: 'the job does not carry its request', attempts: 1 }]);
      return found;
    });
    const replay = (id: string, headers: object) =>
      inject(south, { method: 'POST', url: `${list}/${id}/replay`, headers });
    for (const headers of [{}, { authorization: 'Bearer operator-token-for-other-tests' }]) {
      for (const { statusCode, body } of [
        await inject(south, { url: list, headers }),
        await replay(letter!.id, headers),
      ])
        expect([statusCode, JSON.parse(body)]).toMatchObject([401, { code: 'OPERATOR_ONLY' }]);
    }
    const unknown = await replay('legs.999999', operator);
    expect([unknown.statusCode, unknown.json()]).toMatchObject([404, { code: 'LETTER_UNKNOWN' }]);

    await patient.publish();
    await indexed(federation, patient);
    expect(await north.chain.outcome(requestId).catch((error: unknown) => error)).toMatchObject({
      contractCode: 'OUTCOME_UNKNOWN',
    });
    expect((await replay(letter!.id, operator)).json()).toEqual({ replayed: true });
    const { outcome } = await until(() => north.chain.outcome(requestId));
    expect(outcome).toMatchObject({ requestId, outcome: 'denied' });
    await until(async () => expect((await inject(south, { url: list, headers: operator })).json()).toEqual([]));
    const again = await replay(letter!.id, operator);
    expect([again.statusCode, again.json()]).toMatchObject([404, { code: 'LETTER_UNKNOWN' }]);
    await legs.close();
  });
});

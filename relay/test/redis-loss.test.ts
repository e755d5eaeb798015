import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Federation, OPERATOR_TOKEN, type Region, until } from './fixture/federation.ts';
import { hash, Practitioner } from './fixture/people.ts';
import { startRedis } from './fixture/redis-server.ts';
import { RelayProcess } from './fixture/relay-process.ts';
import { answerOf, mirrored, patientOf, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-redis-loss-'));
  federation = await Federation.open({}, { served: true });
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
});

afterAll(async () => {
  await RelayProcess.killAll();
  await federation?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function figuresOf(region: Region): Promise<string | undefined> {
  return (await region.relay?.app.inject({ url: '/metrics' }))?.payload;
}

async function oneOutcome(requestId: string): Promise<void> {
  const { transactionId } = await north.chain.outcome(requestId);
  const { legs } = await south.chain.request(requestId);
  expect(legs.map((leg) => leg.transactionId)).toEqual([transactionId]);
}

describe('a relay whose Redis is gone', () => {
  it('says so, still records questions for the scanner to find, and can be stopped', async () => {
    const patient = await patientOf(federation, north);
    const redis = await startRedis();
    const config = { ...(await federation.config(south)), redisUrl: redis.url };
    await south.relay?.close();
    const relay = await RelayProcess.start(config, join(folder, 'south.json'));
    south.elsewhere = relay.url;
    await redis.kill();
    const { status, body } = await south.call('GET', '/ready');
    expect({ status, body }).toMatchObject({ status: 503, body: { ready: false, redis: false } });
    const figures = await fetch(`${relay.url}/metrics`);
    expect(await figures.text()).toMatch(/^yilian_relay_redis_up 0$/m);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    const lost = { status: 503, body: { code: 'QUEUE_UNAVAILABLE' } };
    const receipt = doctor.receipt('south', requestId, '0'.repeat(64), ['A'.repeat(22)]);
    const operator = { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } };
    const [accepted, letters, letter] = await Promise.all([
      south.call('POST', '/v1/receipts', { receipt }),
      fetch(`${relay.url}/v1/dead-letters`, operator),
      fetch(`${relay.url}/v1/dead-letters/legs.1/replay`, { method: 'POST', ...operator }),
    ]);
    expect(accepted).toMatchObject(lost);
    for (const reply of [letters, letter])
      expect({ status: reply.status, body: await reply.json() }).toMatchObject(lost);
    expect(await relay.stop()).toBe(0);
    await redis[Symbol.asyncDispose]();
    south.elsewhere = undefined;
    await federation.startRelay(south);
    await mirrored(south, requestId, 'denied');
  });
});

describe('a Redis whose disk is full', () => {
  it('costs no question that was accepted, on neither side, and is named while it lasts', async () => {
    const patients = [await patientOf(federation, north, doctor), await patientOf(federation, north, doctor)];
    const [first, second] = patients.map(({ pseudonym }) => doctor.ask(pseudonym));
    const refusals: unknown[] = [];
    let isFull = true;
    north.intercept = (next) => async (path, body) => {
      const answer = await next(path, body);
      if (isFull) refusals.push([answer.status, (answer.json as { code?: string }).code]);
      return answer;
    };
    await north.redis.room(false);
    const asked = await submit(south, first);
    await until(async () => expect(refusals).toContainEqual([503, 'QUEUE_UNAVAILABLE']));
    await south.redis.room(false);
    expect(await south.call('GET', '/ready')).toMatchObject({ status: 503, body: { redis: false } });
    expect(await figuresOf(south)).toMatch(/^yilian_relay_redis_aof_failing 1$/m);
    const receipt = doctor.receipt('south', asked.requestId, '0'.repeat(64), ['A'.repeat(22)]);
    expect(await south.call('POST', '/v1/receipts', { receipt })).toMatchObject({
      status: 503,
      body: { code: 'QUEUE_UNAVAILABLE' },
    });
    const later = await submit(south, second);
    isFull = false;
    for (const { redis } of [north, south]) await redis.room(true);
    north.intercept = undefined;
    expect(await figuresOf(south)).toMatch(/^yilian_relay_redis_aof_failing 0$/m);
    for (const { requestId } of [asked, later]) {
      await mirrored(south, requestId, 'released');
      await oneOutcome(requestId);
    }
    expect(new Set(refusals.map(String))).toEqual(new Set(['503,QUEUE_UNAVAILABLE']));
  });
});

describe('a Redis that loses everything', () => {
  it('costs no request, on neither side, whatever was under way', async () => {
    const granted = await patientOf(federation, north, doctor);
    const silent = await patientOf(federation, north);
    north.intercept = () => async () => {
      throw new TypeError('fetch failed');
    };
    const asked = await Promise.all([
      submit(south, doctor.ask(granted.pseudonym)),
      submit(south, doctor.ask(silent.pseudonym)),
      submit(south, doctor.ask(hash())),
    ]);
    const [released, denied, absent] = asked.map(({ requestId }) => requestId);
    await reached(south, released ?? '', 'unreachable');
    await south.redis.flush();
    await north.redis.flush();
    north.intercept = undefined;
    await mirrored(south, released ?? '', 'released');
    await mirrored(south, denied ?? '', 'denied');
    await mirrored(south, absent ?? '', 'absent');
    expect(await south.chain.pending()).toEqual([]);
  });

  it('costs no answer that was there: it is fetched again', async () => {
    const patient = await patientOf(federation, north, doctor);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await mirrored(south, requestId, 'released');
    await south.redis.flush();
    await until(async () => expect((await answerOf(south, requestId)).answers).toHaveLength(1));
    await oneOutcome(requestId);
  });

  it('lets a waiting request be decided all the same', async () => {
    const patient = await patientOf(federation, north);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym, { waitForConsent: true }));
    await reached(south, requestId, 'waiting');
    await north.redis.flush();
    await south.redis.flush();
    await patient.grant(doctor);
    await mirrored(south, requestId, 'released');
    expect(await north.chain.waiting(patient.pseudonym)).toEqual([]);
    await oneOutcome(requestId);
  });
});

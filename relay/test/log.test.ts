import { Writable } from 'node:stream';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FEDERATION, Federation, type Region, until } from './fixture/federation.ts';
import { hash, Patient, Practitioner } from './fixture/people.ts';
import { answerOf, indexed, mirrored, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let text = '';

beforeAll(async () => {
  const write = (chunk: Buffer, _: unknown, done: () => void): void => {
    text += chunk.toString();
    done();
  };
  const log = pino({ level: 'trace' }, new Writable({ write }));
  federation = await Federation.open({}, { log });
  ({ north, south } = federation);
  await federation.settle();
});

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

it('the logs at their most talkative name no patient, request, grant, record or key certificate', async () => {
  const doctor = await Practitioner.register(south);
  const own = await Practitioner.register(north);
  const patient = await Patient.enrol(north);
  const record = await patient.publish();
  const grant = await patient.grant(doctor);
  const ownGrant = await patient.grant(own);
  await indexed(federation, patient);

  north.intercept = () => async () => {
    throw new TypeError(`fetch failed for ${patient.pseudonym}`);
  };
  const request = doctor.ask(patient.pseudonym);
  const { requestId } = await submit(south, request);
  await until(async () => expect(text).toContain('a relay did not answer well'));
  north.intercept = undefined;
  await mirrored(south, requestId, 'released');
  const { requestId: absent } = await submit(south, doctor.ask(hash()));
  await reached(south, absent, 'absent');

  // An answer for the mirror that the chain does not take: of a question nobody asked here.
  const { requestId: elsewhere } = await submit(north, own.ask(patient.pseudonym));
  const { answers } = await answerOf(north, elsewhere);
  const redis = new Redis({ path: new URL(south.redis.url).pathname });
  const prefix = `yilian:${FEDERATION}:south`;
  await redis.set(`${prefix}:answer:${elsewhere}:north`, JSON.stringify(answers[0]));
  await redis.sadd(`${prefix}:unmirrored`, `${elsewhere} north`);
  redis.disconnect();
  const { requestId: again } = await submit(south, doctor.ask(patient.pseudonym));
  await mirrored(south, again, 'released');
  await until(async () => expect(text).toContain('an outcome cannot be mirrored'));

  for (const witness of north.witnesses) witness.down = true;
  expect((await north.call('POST', '/v1/revocations', patient.revocation(grant))).status).toBe(200);
  await until(async () => expect(text).toContain('learn of a revocation from the chain'));
  for (const witness of north.witnesses) witness.down = false;
  await north.call('GET', `/v1/requests/${hash()}`);

  const { pseudonym } = patient;
  const requests = { requestId, absent, elsewhere, again };
  const names = {
    pseudonym,
    grant,
    ownGrant,
    record,
    ...requests,
    doctor: doctor.keyCertificateId,
    own: own.keyCertificateId,
  };
  for (const [what, name] of Object.entries(names))
    expect([what, text.includes(name.slice(0, 8))]).toEqual([what, false]);
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AnswerReply } from '../src/api.ts';
import { Federation, type Region, until } from './fixture/federation.ts';
import { Practitioner } from './fixture/people.ts';
import { patientOf, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;

beforeAll(async () => {
  federation = await Federation.open();
  ({ north, south } = federation);
  await federation.settle();
});

afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
});

async function released(asking: Region): Promise<string> {
  const doctor = await Practitioner.register(asking);
  const patient = await patientOf(federation, north, doctor);
  const { requestId } = await submit(asking, doctor.ask(patient.pseudonym));
  await reached(asking, requestId, 'released');
  return requestId;
}

async function sharing(asking: Region, requestId: string, ...without: readonly string[]) {
  const query = without.map((mspId) => `without=${mspId}`).join('&');
  const { status, body } = await asking.call<AnswerReply>('GET', `/v1/requests/${requestId}/answer?${query}`);
  return { status, shares: body.answers?.map(({ shares }) => shares.map(({ mspId }) => mspId).toSorted()) };
}

it.each(['south', 'north'])(
  'whoever found a share that does not hold gets an answer without it (asked in %s)',
  async (name) => {
    const asking = name === 'south' ? south : north;
    const requestId = await released(asking);
    const { transactionId } = await north.chain.outcome(requestId);
    for (const mspId of north.network.mspIds) {
      const others = north.network.mspIds.filter((other) => other !== mspId).toSorted();
      // A proxy that has just registered is known to the relay within seconds.
      await until(async () =>
        expect(await sharing(asking, requestId, mspId)).toEqual({ status: 200, shares: [others] }),
      );
    }
    expect((await north.chain.outcome(requestId)).transactionId).toBe(transactionId);
  },
);

it('has no answer when too few proxies are left, and keeps the one it had', async () => {
  const requestId = await released(south);
  const before = await sharing(south, requestId);
  expect(await sharing(south, requestId, ...north.network.mspIds.slice(0, 2))).toEqual({ status: 200, shares: [] });
  expect(await sharing(south, requestId)).toEqual(before);
  expect((await sharing(south, requestId, 'no%20organisation')).status).toBe(400);
});

it.each(['south', 'north'])(
  'the proxies are asked as soon as the orderer has the decision, and wait for its commit themselves (asked in %s)',
  async (name) => {
    const asking = name === 'south' ? south : north;
    const doctor = await Practitioner.register(asking);
    const patient = await patientOf(federation, north, doctor);
    const request = doctor.ask(patient.pseudonym);
    const orders = () => north.witnesses.flatMap(({ calls }) => calls).filter((path) => path === '/v1/releases').length;
    const before = orders();
    north.network.node.updateBatch({ timeoutMs: 1500 });
    const height = north.network.node.height();
    try {
      const submitted = submit(asking, request);
      await until(async () => orders() > before);
      expect(north.network.node.height()).toBe(height);
      const { requestId } = await submitted;
      await reached(asking, requestId, 'released');
      const { shares } = await sharing(asking, requestId);
      expect(shares?.flat().length).toBeGreaterThanOrEqual(2);
      // The answer that was begun is the one that is given.
      expect(orders() - before).toBeLessThanOrEqual(north.witnesses.length);
    } finally {
      north.network.node.updateBatch({ timeoutMs: 0 });
    }
  },
);

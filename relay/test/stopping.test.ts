import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Federation, type Region } from './fixture/federation.ts';
import { Practitioner } from './fixture/people.ts';
import { RelayProcess } from './fixture/relay-process.ts';
import { mirrored, patientOf, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-stopping-'));
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

/** Puts a relay in its own process in the place of the region's. */
async function outOfProcess(region: Region): Promise<RelayProcess> {
  await region.relay?.close();
  region.relay = undefined;
  const relay = await RelayProcess.start(await federation.config(region), join(folder, `${region.name}.json`));
  region.elsewhere = relay.url;
  return relay;
}

async function inProcess(region: Region): Promise<void> {
  region.elsewhere = undefined;
  await federation.startRelay(region);
}

async function oneOutcome(requestId: string): Promise<void> {
  const transactions = new Set<string>();
  const { transactionId } = await north.chain.outcome(requestId);
  transactions.add(transactionId);
  const { legs } = await south.chain.request(requestId);
  for (const leg of legs) transactions.add(leg.transactionId);
  expect(transactions.size).toBe(1);
}

describe('a relay that is asked to stop in the middle of a query', () => {
  it('while asking, ends by itself and without an error, and the query has one outcome', async () => {
    const patient = await patientOf(federation, north, doctor);
    const relay = await outOfProcess(south);
    const [arrived, answering] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    north.intercept = (next) => async (path, body) => {
      arrived.resolve();
      await answering.promise;
      return next(path, body);
    };
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await arrived.promise;
    expect(await relay.stop()).toBe(0);
    north.intercept = undefined;
    answering.resolve();
    await inProcess(south);
    await mirrored(south, requestId, 'released');
    await oneOutcome(requestId);
  });

  it('while deciding, gives the answer that is under way, and the query has one outcome', async () => {
    const patient = await patientOf(federation, north, doctor);
    const relay = await outOfProcess(north);
    const [arrived, answering] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    for (const { url, handle } of north.witnesses) {
      federation.replace(url, async (path, body) => {
        if (path === '/v1/releases') arrived.resolve();
        await answering.promise;
        return handle(path, body);
      });
    }
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await arrived.promise;
    const stopped = relay.stop();
    answering.resolve();
    expect(await stopped).toBe(0);
    await reached(south, requestId, 'released');
    for (const { url, handle } of north.witnesses) federation.replace(url, handle);
    await inProcess(north);
    await mirrored(south, requestId, 'released');
    await oneOutcome(requestId);
  });
});

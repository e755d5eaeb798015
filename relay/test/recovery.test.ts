import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Step } from '../src/failpoints.ts';
import { Federation, type Region, until } from './fixture/federation.ts';
import { hash, Patient, Practitioner } from './fixture/people.ts';
import { RelayProcess } from './fixture/relay-process.ts';
import { answerOf, mirrored, patientOf, reached, submit } from './fixture/steps.ts';

let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yilian-recovery-'));
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

/** Puts a relay in its own process in the place of the region's; it dies at the step. */
async function outOfProcess(region: Region, failAt: string): Promise<RelayProcess> {
  await region.relay?.close();
  region.relay = undefined;
  const relay = await RelayProcess.start(await federation.config(region), join(folder, `${region.name}.json`), failAt);
  region.elsewhere = relay.url;
  return relay;
}

async function inProcess(region: Region): Promise<void> {
  region.elsewhere = undefined;
  await federation.startRelay(region);
}

/** Submits again and again, as a client does that was not told 202. */
function insist(region: Region, request: unknown): Promise<string> {
  return until(async () => (await submit(region, request)).requestId);
}

async function oneOutcome(requestId: string): Promise<void> {
  const transactions = new Set<string>();
  const { transactionId } = await north.chain.outcome(requestId);
  transactions.add(transactionId);
  const { legs } = await south.chain.request(requestId);
  for (const leg of legs) transactions.add(leg.transactionId);
  expect(transactions.size).toBe(1);
}

/** All steps take a minute; by default those at which something is half done. */
const HALF_DONE = new Set<Step>([
  'request.ordered',
  'leg.stored',
  'mirror.started',
  'decide.committed',
  'index.announced',
  'absence.declared',
  'receipt.received',
  'region.proven',
  'checkpoint.signed',
]);
const chosen = (steps: readonly Step[]) =>
  steps.filter((step) => process.env['YILIAN_ALL_STEPS'] === '1' || HALF_DONE.has(step));

/** First, because a relay that ends by itself leaves the others' code compiled. */
describe('a relay that is asked to stop in the middle of a query', () => {
  it('while asking, ends by itself and without an error, and the query has one outcome', async () => {
    const patient = await patientOf(federation, north, doctor);
    const relay = await outOfProcess(south, '');
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
    const relay = await outOfProcess(north, '');
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

describe('a relay that is killed', () => {
  const asking: Step[] = [
    'request.received',
    'request.ordered',
    'request.committed',
    'leg.started',
    'leg.answered',
    'leg.verified',
    'leg.stored',
    'mirror.started',
    'mirror.committed',
  ];
  it.each(chosen(asking))('while asking, at %s, loses nothing', async (step) => {
    const patient = await patientOf(federation, north, doctor);
    const request = doctor.ask(patient.pseudonym);
    const relay = await outOfProcess(south, step);
    const { requestId } = await submit(south, request).catch(() => ({ requestId: '' }));
    await relay.ended;
    expect(relay.signal).toBe('SIGKILL');
    await inProcess(south);
    const same = await insist(south, request);
    if (requestId !== '') expect(same).toBe(requestId);
    await reached(south, same, 'released');
    await mirrored(south, same, 'released');
    await oneOutcome(same);
  });

  const deciding: Step[] = [
    'decide.received',
    'decide.queued',
    'decide.started',
    'decide.committed',
    'decide.assembled',
  ];
  it.each(chosen(deciding))('while deciding, at %s, loses nothing and decides once', async (step) => {
    const patient = await patientOf(federation, north, doctor);
    const relay = await outOfProcess(north, step);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await relay.ended;
    expect(relay.signal).toBe('SIGKILL');
    await inProcess(north);
    await reached(south, requestId, 'released');
    await mirrored(south, requestId, 'released');
    await oneOutcome(requestId);
  });

  it.each(chosen(['index.announced', 'index.added']))('at %s still makes the patient findable', async (step) => {
    const patient = await Patient.enrol(north);
    const relay = await outOfProcess(north, step);
    await patient.publish();
    await relay.ended;
    await inProcess(north);
    await until(async () => expect(await federation.authorities[0]?.lookup(patient.pseudonym)).toEqual(['north']));
    await until(async () => expect(await north.chain.unindexed()).toEqual([]));
  });

  it.each(chosen(['absence.declared', 'absence.recorded']))('at %s still proves the absence', async (step) => {
    const relay = await outOfProcess(south, step);
    const request = doctor.ask(hash());
    await submit(south, request).catch(() => undefined);
    await relay.ended;
    await inProcess(south);
    const requestId = await insist(south, request);
    await reached(south, requestId, 'absent');
    await until(async () => expect((await answerOf(south, requestId)).absence).toBeDefined());
  });
});

describe('a relay that is killed while it keeps the chains in step', () => {
  it.each(chosen(['receipt.received', 'receipt.committed']))('at %s still records the receipt', async (step) => {
    const patient = await patientOf(federation, north, doctor);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await mirrored(south, requestId, 'released');
    const { outcome, transactionId } = await north.chain.outcome(requestId);
    const records = (outcome.release?.records ?? []).map(({ recordId }) => recordId);
    const relay = await outOfProcess(north, step);
    const receipt = doctor.receipt('north', requestId, transactionId, records);
    const sent = south.call('POST', '/v1/receipts', { receipt });
    await relay.ended;
    await inProcess(north);
    expect((await sent).status).toBe(200);
    await until(async () => expect(await north.chain.receipts(requestId, transactionId)).toEqual([receipt]));
  });

  it.each(chosen(['region.proven']))('at %s still mirrors a change of a region', async (step) => {
    const relay = await outOfProcess(south, step);
    const version = ((await north.chain.mirrorOf('north')).entry.version ?? 0) + 1;
    await federation.register(north.entry(version));
    await relay.ended;
    await inProcess(south);
    await until(async () => expect((await south.chain.mirrorOf('north')).entry.version).toBe(version));
  });

  it.each(chosen(['checkpoint.signed', 'checkpoint.anchored']))('at %s still anchors the outcomes', async (step) => {
    const patient = await patientOf(federation, north);
    const size = async () => (await federation.authorities[0]?.checkpoint('north'))?.document.size ?? 0;
    const before = await size();
    const relay = await outOfProcess(north, step);
    const { requestId } = await submit(south, doctor.ask(patient.pseudonym));
    await relay.ended;
    await inProcess(north);
    await mirrored(south, requestId, 'denied');
    await until(async () => expect(await size()).toBeGreaterThan(before));
  });
});

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type CapsuleWithCfrags,
  decapsulateAll,
  decapsulateReencrypted,
  encapsulate,
  generateKfrags,
  PreError,
  reencryptAll,
  SecretKey,
  type VerifiedKeyFrag,
} from '../src/index.ts';
import { EXPERIMENTAL_UMBRAL_SM2 } from '../src/sm/index.ts';
import { decapsulateTask, perform, reencryptTask } from '../src/thread-task.ts';
import { PreWorkers } from '../src/workers.ts';
import { alice, asyncOutcome, bob, castOf, eve, flipped, keys, outcome, seeded, signer } from './fixtures.ts';

const rng = seeded('workers');
const history = Array.from({ length: 300 }, () => encapsulate(keys.delegatingKey, rng));
const all = history.map(({ capsule }) => capsule);
/** As many as are several tasks for each of two threads. */
const COUNT = 100;
const capsules = all.slice(0, COUNT);
const delegation = { delegatingKey: alice, receivingKey: keys.receivingKey, signer, threshold: 1, shares: 1 };
const grant = () => (generateKfrags(delegation, rng) as [VerifiedKeyFrag])[0];
const kfrag = grant();
const allItems: CapsuleWithCfrags[] = reencryptAll(all, kfrag, rng).map((cfrag, at) => ({
  capsule: all[at] as (typeof all)[number],
  cfrags: [cfrag.toBytes()],
}));
const items = allItems.slice(0, COUNT);
const receiver = { receivingKey: bob, delegatingKey: keys.delegatingKey, verifyingKey: keys.verifyingKey };

/** Threads in the order in which they were started since the test began. */
let started: Worker[] = [];
const noteWorker = (worker: Worker) => void started.push(worker);
/** Node tells of a thread a little after it was started. */
async function firstWorker(): Promise<Worker> {
  await nextTurn();
  const [worker] = started;
  if (worker === undefined) throw new Error('no thread was started');
  return worker;
}
beforeAll(() => void process.on('worker', noteWorker));
afterEach(() => {
  started = [];
});
afterAll(() => void process.off('worker', noteWorker));

describe('a pool of two threads', () => {
  test.each([0, 1, 63, 64, 300])('re-encrypts %i capsules in their order', async (count) => {
    await using workers = new PreWorkers({ threads: 2 });
    const some = all.slice(0, count);
    const cfrags = await workers.reencryptAll(some, kfrag);
    const opened = decapsulateAll({
      ...receiver,
      items: some.map((capsule, at) => ({ capsule, cfrags: [cfrags[at]?.toBytes() as Uint8Array] })),
    });
    expect(opened.map(({ key }) => key)).toEqual(history.slice(0, count).map(({ key }) => key));
    expect(started.length).toBe(count < 64 ? 0 : 2);
  });

  test.each([0, 1, 63, 64, 300])('opens %i capsules in their order', async (count) => {
    await using workers = new PreWorkers({ threads: 2 });
    const opened = await workers.decapsulateAll({ ...receiver, items: allItems.slice(0, count) });
    expect(opened.map(({ key }) => key)).toEqual(history.slice(0, count).map(({ key }) => key));
    expect(started.length).toBe(count < 64 ? 0 : 2);
  });

  test('makes fragments that open a capsule without being verified again, like those made here', async () => {
    await using workers = new PreWorkers({ threads: 2 });
    const cfrags = await workers.reencryptAll(capsules, kfrag);
    for (const at of [0, 50, 99]) {
      const [capsule, cfrag] = [capsules[at], cfrags[at]];
      if (!capsule || !cfrag) throw new Error('a fragment expected');
      const opening = { receivingKey: bob, delegatingKey: keys.delegatingKey, capsule };
      expect(decapsulateReencrypted({ ...opening, cfrags: [cfrag] })).toEqual(history[at]?.key);
      const other = cfrags[(at + 1) % COUNT] as typeof cfrag;
      expect(outcome(() => decapsulateReencrypted({ ...opening, cfrags: [other] }))).toBe('CFRAG_INVALID');
    }
  });

  test('says of bad items and wrong keys what is said without threads', async () => {
    await using workers = new PreWorkers({ threads: 2 });
    const mixed = items.map((item, at) => {
      const [cfrag] = item.cfrags as [Uint8Array];
      if (at % 25 === 1) return { ...item, cfrags: [flipped(cfrag, 70), cfrag] };
      if (at % 25 === 2) return { ...item, cfrags: [cfrag.subarray(1)] };
      if (at % 25 === 3) return { ...item, cfrags: [undefined as unknown as Uint8Array, cfrag, cfrag] };
      return item;
    });
    for (const wrong of [{}, { receivingKey: eve }, { verifyingKey: eve.publicKey() }]) {
      const there = await workers.decapsulateAll({ ...receiver, ...wrong, items: mixed });
      const here = decapsulateAll({ ...receiver, ...wrong, items: mixed });
      const codes = (results: typeof here) =>
        results.map(({ key, faults }) => [
          key instanceof PreError ? key.code : key,
          Array.from(faults, ([at, error]) => [at, error instanceof PreError, error.code]),
        ]);
      expect(codes(there)).toEqual(codes(here));
    }
  });

  test('starts its threads once, whatever number of batches', async () => {
    await using workers = new PreWorkers({ threads: 2 });
    for (let batch = 0; batch < 20; batch++)
      expect(await workers.reencryptAll(capsules.slice(0, 70), kfrag)).toHaveLength(70);
    const both = await Promise.all([
      workers.reencryptAll(capsules.slice(0, 90), kfrag),
      workers.decapsulateAll({ ...receiver, items: items.slice(0, 100) }),
    ]);
    expect(both.map(({ length }) => length)).toEqual([90, 100]);
    expect(started.length).toBe(2);
  });

  test('refuses a batch with a fragment or key that was wiped, and goes on', async () => {
    await using workers = new PreWorkers({ threads: 2 });
    const wiped = grant();
    wiped.wipe();
    expect(await asyncOutcome(() => workers.reencryptAll(capsules, wiped))).toBe('KFRAG_INVALID');
    const key = SecretKey.random(rng);
    key.wipe();
    expect(await asyncOutcome(() => workers.decapsulateAll({ ...receiver, receivingKey: key, items }))).toBe(
      'KEY_INVALID',
    );
    expect(await workers.reencryptAll(capsules, kfrag)).toHaveLength(COUNT);
  });

  test('ends a batch whose fragment is wiped while threads work with it', async () => {
    await using workers = new PreWorkers({ threads: 2 });
    const revoked = grant();
    const batch = asyncOutcome(() => workers.reencryptAll(capsules, revoked));
    revoked.wipe();
    expect(await batch).toBe('KFRAG_INVALID');
  });
});

describe('what goes wrong', () => {
  test('a thread that is killed fails the batch it worked for, and another takes its place', async () => {
    await using workers = new PreWorkers({ threads: 2 });
    const failing = asyncOutcome(() => workers.decapsulateAll({ ...receiver, items }));
    await (await firstWorker()).terminate();
    expect(await failing).toBe('THREAD_ENDED');
    expect(await workers.reencryptAll(capsules, kfrag)).toHaveLength(COUNT);
    expect(started.length).toBe(3);
  });

  test('a batch that waited behind it is done all the same', async () => {
    await using workers = new PreWorkers({ threads: 1 });
    const failing = asyncOutcome(() => workers.reencryptAll(capsules, kfrag));
    const waiting = workers.decapsulateAll({ ...receiver, items });
    await (await firstWorker()).terminate();
    expect(await failing).toBe('THREAD_ENDED');
    expect((await waiting).map(({ key }) => key)).toEqual(history.slice(0, COUNT).map(({ key }) => key));
  });

  test('a thread that throws tells why', async () => {
    await using workers = new PreWorkers({ threads: 1 });
    const failing = expect(workers.reencryptAll(capsules, kfrag)).rejects.toMatchObject({
      code: 'THREAD_ENDED',
      cause: { name: 'TypeError' },
    });
    (await firstWorker()).postMessage({ operation: 'reencrypt' });
    await failing;
  });

  test('a pool that is disposed of rejects what is under way and what comes later', async () => {
    const workers = new PreWorkers({ threads: 2 });
    const batches = [
      asyncOutcome(() => workers.reencryptAll(capsules, kfrag)),
      asyncOutcome(() => workers.decapsulateAll({ ...receiver, items })),
    ];
    await workers[Symbol.asyncDispose]();
    expect(await Promise.all(batches)).toEqual(['THREAD_ENDED', 'THREAD_ENDED']);
    expect(started.map(({ threadId }) => threadId)).toEqual([-1, -1]);
    expect(await asyncOutcome(() => workers.reencryptAll(capsules, kfrag))).toBe('THREAD_ENDED');
    expect(await asyncOutcome(() => workers.decapsulateAll({ ...receiver, items: [] }))).toBe('THREAD_ENDED');
    await workers[Symbol.asyncDispose]();
    expect(started.length).toBe(2);
  });

  test('an aborted batch rejects with the reason, and no more of it is handed out', async () => {
    await using workers = new PreWorkers({ threads: 2 });
    const reason = new Error('nobody waits any more');
    const signal = AbortSignal.abort(reason);
    await expect(workers.reencryptAll(capsules, kfrag, { signal })).rejects.toBe(reason);
    expect(started.length).toBe(0);

    const leaving = new AbortController();
    const revoked = grant();
    const aborted = workers.reencryptAll(capsules, revoked, { signal: leaving.signal });
    leaving.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    await nextTurn();
    let posted = 0;
    for (const worker of started) {
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (...message: Parameters<Worker['postMessage']>) => {
        posted += 1;
        post(...message);
      };
    }
    expect(await workers.reencryptAll(capsules.slice(0, 64), kfrag)).toHaveLength(64);
    expect(posted).toBe(2);
  });

  test.each([0, -1, 1.5, Number.NaN])('a pool of %d threads is none', (threads) => {
    expect(outcome(() => new PreWorkers({ threads }))).toBe('ARGUMENT_INVALID');
  });
});

describe('secrets', () => {
  test('are moved to the thread: nothing is left of what was sent', async () => {
    await using workers = new PreWorkers({ threads: 1 });
    const batch = workers.reencryptAll(capsules, kfrag);
    const worker = await firstWorker();
    const moved: ArrayBuffer[] = [];
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (message: unknown, transfer: readonly ArrayBuffer[]) => {
      moved.push(...transfer);
      post(message, transfer);
    };
    await batch;
    await workers.decapsulateAll({ ...receiver, items });
    // Four tasks of 25 for each batch; the first was posted before there was anybody to see it.
    expect(moved.length).toBe(7);
    expect(moved.every(({ byteLength }) => byteLength === 0)).toBe(true);
  });

  test('are overwritten by what the thread does with them', () => {
    const proxy = reencryptTask(capsules.slice(0, 1), kfrag);
    const opening = decapsulateTask(items.slice(0, 1), receiver);
    for (const { message, secrets } of [proxy, opening]) {
      expect(secrets.map((secret) => secret.some((byte) => byte !== 0))).toEqual([true]);
      perform(message);
      expect(secrets.map((secret) => secret.every((byte) => byte === 0))).toEqual([true]);
    }
    expect(reencryptAll(capsules.slice(0, 1), kfrag)).toHaveLength(1);
  });
});

test('threads know the first suite alone', () => {
  const other = castOf(EXPERIMENTAL_UMBRAL_SM2);
  const { capsule, kfrags } = other.delegated(1, 1, rng);
  expect(outcome(() => reencryptTask([capsule], kfrags[0] as VerifiedKeyFrag))).toBe('SUITE_UNSUPPORTED');
  expect(outcome(() => reencryptTask([capsule], kfrag))).toBe('SUITE_UNSUPPORTED');
  const foreign = { ...other.keys, receivingKey: other.bob };
  expect(outcome(() => decapsulateTask([], foreign))).toBe('SUITE_UNSUPPORTED');
  expect(outcome(() => decapsulateTask([{ capsule, cfrags: [] }], receiver))).toBe('SUITE_UNSUPPORTED');
});

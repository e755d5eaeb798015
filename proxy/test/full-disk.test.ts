import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FileLimit } from '@yilian/testbed';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { Journal } from '../src/journal.ts';
import { SecretFiles } from '../src/sealed-file.ts';
import { HOME, TestFederation, type TestGrant } from './federation.ts';

/** A proxy whose disk takes no more: what it says, what it leaves behind, and that it goes on when there is room. */
const OWN = 'CommissionA';
const FULL = { status: 507, body: { code: 'DISK_FULL' } };
const PAGE_BYTES = 4096;
let limit: FileLimit;
let federation: TestFederation;
let proxy: BuiltProxy;
let folder: string;
beforeAll(async () => {
  limit = new FileLimit();
  federation = await TestFederation.open();
  proxy = await federation.proxy(OWN);
  folder = (await federation.config(HOME, OWN)).folder;
});
afterAll(async () => {
  limit[Symbol.dispose]();
  await federation[Symbol.asyncDispose]();
});

const wraps = () => readdirSync(join(folder, 'wrap'));
const deliver = (grant: TestGrant) => federation.deliver(proxy, OWN, grant);
const release = (order: unknown) => federation.order(proxy, OWN, '/v1/releases', 'release', order);
const revoke = (grant: TestGrant) => federation.post(proxy, '/v1/revocations', federation.revocation(grant));
const entry = ({ grantId }: TestGrant) => federation.chain.grantEntry(grantId);

let decisions = 0;
async function decide(grant: TestGrant) {
  decisions += 1;
  return (await federation.decide(grant)).order;
}

async function newGrant(): Promise<TestGrant> {
  const patient = await federation.patient();
  await federation.publish(patient);
  return federation.grant(patient, await federation.doctor());
}

test.each([
  ['half a key', 10],
  ['a key and no row', PAGE_BYTES - 1],
])('fragments for which there is room for %s leave nothing behind, and are taken later', async (_, bytes) => {
  const grant = await newGrant();
  const before = wraps();
  expect(await limit.within(bytes, () => deliver(grant))).toMatchObject(FULL);
  expect(wraps()).toEqual(before);
  expect((await entry(grant)).acknowledgedBy).toEqual([]);
  expect((await deliver(grant)).status).toBe(200);
  expect((await release(await decide(grant))).status).toBe(200);
});

test('a revocation ends the use of the fragments all the same, and is noted when it comes again', async () => {
  const grant = await newGrant();
  await deliver(grant);
  const order = await decide(grant);
  expect(await limit.within(PAGE_BYTES - 1, () => revoke(grant))).toMatchObject(FULL);
  expect(wraps()).not.toContain(grant.grantId);
  expect(await release(order)).toMatchObject({ status: 404, body: { code: 'FRAGMENTS_UNKNOWN' } });
  expect(await revoke(grant)).toEqual({ status: 200, body: { stopped: true, destroyed: true } });
  await expect.poll(async () => (await entry(grant)).destroyed.map(({ document }) => document.mspId)).toEqual([OWN]);
});

test('an order is refused and counts later; what the chain did meanwhile is read then', async () => {
  const grant = await newGrant();
  await deliver(grant);
  const envelope = federation.envelope(`${HOME}/${OWN}`, 'release', await decide(grant));
  await limit.within(PAGE_BYTES - 1, async () => {
    const { statusCode, headers, body } = await proxy.app.inject({
      method: 'POST',
      url: '/v1/releases',
      body: envelope,
    });
    expect([statusCode, headers['retry-after'], JSON.parse(body)]).toMatchObject([507, '1', FULL.body]);
    await decide(grant);
  });
  expect((await federation.post(proxy, '/v1/releases', envelope)).status).toBe(200);
  await expect
    .poll(async () => (await proxy.app.inject('/metrics')).payload)
    .toMatch(new RegExp(`^yilian_proxy_outcomes ${decisions}$`, 'm'));
});

test('a secret is written whole or not at all', async () => {
  const own = join(federation.folder, 'secrets');
  mkdirSync(own);
  const file = join(own, 'secret');
  const files = new SecretFiles(undefined);
  const [old, fresh] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  files.write(file, old, 'secret');
  await expect(limit.within(10, async () => files.write(file, fresh, 'secret'))).rejects.toMatchObject({
    code: 'DISK_FULL',
  });
  expect([readdirSync(own), files.read(file, 'secret')]).toEqual([['secret'], Buffer.from(old)]);
});

test('a journal that is full keeps the chain’s place and its outcomes together, and forgets what it did not take', () => {
  const opening = vi.spyOn(DatabaseSync.prototype, 'exec');
  const journal = new Journal(join(federation.folder, 'journal.db'));
  const [database] = opening.mock.contexts as [DatabaseSync];
  opening.mockRestore();
  const envelope = { certificate: 'relay', sequence: 1, forgetAt: 9, at: 1 };
  const fill = (act: (count: number) => void): number => {
    for (let count = 0; ; count += 1) {
      try {
        act(count);
      } catch (error) {
        expect(error).toMatchObject({ code: 'DISK_FULL', cause: { errcode: 13 } });
        return count;
      }
    }
  };
  try {
    database.exec('PRAGMA max_page_count = 16');
    const place = (block: number) => ({ block, transactionId: `transaction ${block}` });
    const taken = fill((block) => journal.advance(place(block), block, new Uint8Array(500)));
    expect(journal.position()).toEqual({ ...place(taken - 1), time: taken - 1 });
    expect(journal.leaves()).toHaveLength(taken);
    const seen = fill((count) => expect(journal.accept({ ...envelope, id: 'e'.repeat(500) + count })).toBe(true));
    database.exec('PRAGMA max_page_count = 1000');
    expect(journal.accept({ ...envelope, id: 'e'.repeat(500) + (seen - 1) })).toBe(false);
    expect(journal.accept({ ...envelope, id: 'e'.repeat(500) + seen })).toBe(true);
    journal.advance(place(taken), taken, new Uint8Array(500));
    expect(journal.leaves()).toHaveLength(taken + 1);
  } finally {
    journal.close();
  }
});

test('a proxy does not start without room, and does with', async () => {
  await expect(limit.within(PAGE_BYTES - 1, () => federation.build('HospitalA2'))).rejects.toMatchObject({
    code: 'DISK_FULL',
  });
  const other = await federation.proxy('HospitalA2');
  expect(other.readiness()).toEqual({ ready: true });
  await federation.close(other);
});

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { HOME, random, TestFederation, type TestGrant } from './federation.ts';

/** What a proxy keeps, what it destroys, and what a restart changes. */
const OWN = 'CommissionA';
let federation: TestFederation;
let proxy: BuiltProxy;
let folder: string;
beforeAll(async () => {
  federation = await TestFederation.open();
  proxy = await federation.proxy(OWN);
  folder = (await federation.config(HOME, OWN)).folder;
});
afterAll(() => federation[Symbol.asyncDispose]());

const release = (order: unknown) => federation.order(proxy, OWN, '/v1/releases', 'release', order);
const wraps = () => readdir(join(folder, 'wrap'));
const receipts = async (grantId: string) =>
  (await federation.chain.grantEntry(grantId)).destroyed.map(({ document }) => document.mspId);

async function restart(clock = Date.now, between: () => Promise<unknown> = async () => undefined): Promise<void> {
  await federation.close(proxy);
  await between();
  proxy = await federation.proxy(OWN, { clock });
}

async function granted(changes: Parameters<TestFederation['grant']>[2] = {}): Promise<TestGrant> {
  const patient = await federation.patient();
  await federation.publish(patient);
  const grant = await federation.grant(patient, await federation.doctor(), changes);
  expect((await federation.deliver(proxy, OWN, grant)).status).toBe(200);
  return grant;
}

/** Names of the files below the folder in which any of these bytes stand, raw, in hexadecimal or in base64. */
async function filesWith(...needles: readonly Uint8Array[]): Promise<string[]> {
  const spelled = needles.flatMap((needle) => {
    const bytes = Buffer.from(needle);
    const base64 = [0, 1, 2].flatMap((shift) => {
      const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
      return [shifted, shifted.replaceAll('+', '-').replaceAll('/', '_')].map((text) => text.slice(4, -4));
    });
    return [
      bytes,
      ...[bytes.toString('hex'), bytes.toString('hex').toUpperCase(), ...base64].map((text) => Buffer.from(text)),
    ];
  });
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async ({ parentPath, name }) => {
        const contents = await readFile(join(parentPath, name));
        return spelled.some((needle) => contents.includes(needle)) ? [name] : [];
      }),
  );
  return found.flat();
}

test('destruction leaves neither wrapping key nor fragment in any file, and nothing before it shows a fragment', async () => {
  const { grantId, kfrags, ...rest } = await granted();
  const wrapKey = await readFile(join(folder, 'wrap', grantId));
  const fragment = kfrags.get(OWN)!;
  const database = new DatabaseSync(join(folder, 'grants.db'), { readOnly: true });
  const row = database.prepare('SELECT fragments FROM grants WHERE grant_id = ?').get(grantId);
  database.close();
  const sealed = row?.['fragments'] as Uint8Array;
  expect(await filesWith(wrapKey)).toEqual([grantId]);
  expect(await filesWith(sealed.subarray(0, 300))).not.toEqual([]);
  expect(await filesWith(fragment.subarray(10, 100))).toEqual([]);

  const reply = await federation.post(proxy, '/v1/revocations', federation.revocation({ grantId, kfrags, ...rest }));
  expect(reply.body).toEqual({ stopped: true, destroyed: true });
  expect(await wraps()).not.toContain(grantId);
  expect(
    await filesWith(wrapKey, sealed.subarray(0, 32), sealed.subarray(40, 100), fragment.subarray(10, 100)),
  ).toEqual([]);
});

test('a restarted proxy goes on where it stopped, with the same key', async () => {
  const grant = await granted();
  const before = await federation.chain.proxies();
  await restart();
  expect(await federation.chain.proxies()).toEqual(before);
  const { order } = await federation.decide(grant);
  // One proxy acknowledged, and the grant asks for one.
  expect(await release(order)).toMatchObject({ status: 200 });
});

test('a proxy whose certificate was renewed registers its key again, and what was granted to it before goes on', async () => {
  const grant = await granted();
  const before = await federation.chain.proxies();
  const [certificateFile, privateKeyFile] = [
    join(federation.folder, 'renewed.pem'),
    join(federation.folder, 'renewed.key'),
  ];
  const member = federation.testbed.member(OWN, 'proxy', 'renewed');
  await writeFile(certificateFile, member.certificate);
  await writeFile(privateKeyFile, member.privateKey, { mode: 0o600 });
  await federation.close(proxy);
  const connection = federation.testbed.connection(HOME, member);
  proxy = await federation.proxy(OWN, { connection }, { certificateFile, privateKeyFile });
  const after = await federation.chain.proxies();
  expect(after.map(({ document }) => document.key)).toEqual(before.map(({ document }) => document.key));
  expect(after.map(({ signatures }) => signatures)).toMatchObject([[{ certificate: member.certificate }]]);
  const { payload } = await proxy.app.inject({ url: '/metrics' });
  const expiry = new X509Certificate(member.certificate).validToDate.getTime() / 1000;
  expect(payload).toContain(`\nyilian_proxy_certificate_expiry_seconds ${expiry}\n`);
  const { order } = await federation.decide(grant);
  expect(await release(order)).toMatchObject({ status: 200 });
  await restart();
});

test('a proxy that was away while a grant was revoked has destroyed it when it takes orders again', async () => {
  const grant = await granted();
  const { order } = await federation.decide(grant);
  await restart(Date.now, () => federation.chain.revoke(federation.revocation(grant)));
  expect(await wraps()).not.toContain(grant.grantId);
  expect(await release(order)).toMatchObject({ status: 403, body: { code: 'REVOKED' } });
  await expect.poll(() => receipts(grant.grantId)).toEqual([OWN]);
});

test('a proxy that was away while all of a grant’s scopes were rotated has destroyed it, and says so once it may', async () => {
  const grant = await granted();
  await restart(Date.now, () => federation.bind(grant.patient, 'laboratory', 2));
  expect(await wraps()).not.toContain(grant.grantId);
  expect(await receipts(grant.grantId)).toEqual([]);
  await federation.chain.revoke(federation.revocation(grant));
  await expect.poll(() => receipts(grant.grantId)).toEqual([OWN]);
});

test('fragments of a grant whose period is over are destroyed, with a receipt', async () => {
  const grant = await granted({ notAfter: Date.now() + 1_500 });
  await expect.poll(() => receipts(grant.grantId), { timeout: 10_000 }).toEqual([OWN]);
  expect(await wraps()).not.toContain(grant.grantId);
});

test('a clock that runs ahead costs no grant, and no grant lives longer by one that runs behind', async () => {
  const grant = await granted();
  await restart(() => Date.now() + 86_400_000);
  expect(await wraps()).toContain(grant.grantId);
  await restart();
  const { order } = await federation.decide(grant);
  expect((await release(order)).status).toBe(200);
  await federation.close(proxy);
  const behind = await federation.build(OWN, { clock: () => Date.now() - 86_400_000 });
  void behind.begin('http://commissiona.example');
  await expect.poll(() => behind.readiness()).toEqual({ ready: false, reason: 'CLOCK_SKEW' });
  await federation.close(behind);
  proxy = await federation.proxy(OWN);
});

test('a database that comes back without its wrapping keys is of no use', async () => {
  const grant = await granted();
  const { order } = await federation.decide(grant);
  await restart(Date.now, () => rm(join(folder, 'wrap'), { recursive: true }));
  expect(await release(order)).toMatchObject({ status: 404, body: { code: 'FRAGMENTS_UNKNOWN' } });
  await federation.post(proxy, '/v1/revocations', federation.revocation(grant));
  await expect.poll(() => receipts(grant.grantId)).toEqual([OWN]);
});

test('with a master key nothing in the folder opens without it', async () => {
  const masterKeyFile = join(federation.folder, 'master.key');
  await writeFile(masterKeyFile, '0f'.repeat(32), { mode: 0o600 });
  const other = await federation.proxy('HospitalA1', {}, { masterKeyFile });
  await federation.close(other);
  await writeFile(masterKeyFile, 'f0'.repeat(32));
  await expect(federation.build('HospitalA1', {}, { masterKeyFile })).rejects.toMatchObject({ code: 'STORE_BROKEN' });
  await writeFile(masterKeyFile, '0f'.repeat(32));
  const again = await federation.proxy('HospitalA1', {}, { masterKeyFile });
  expect(again.readiness()).toEqual({ ready: true });
  await federation.close(again);
});

test('a second process is kept out of the folder', async () => {
  await expect(federation.build(OWN)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
});

test('before it has replayed the chain a proxy says so and takes no orders', async () => {
  const other = await federation.build('HospitalA2');
  expect(await federation.post(other, '/v1/kfrags', { grantId: random(32), sealed: 'AA' })).toMatchObject({
    status: 503,
    body: { code: 'NOT_READY' },
  });
  const ready = await other.app.inject('/ready');
  expect([ready.statusCode, ready.json()]).toEqual([503, { ready: false, reason: 'STARTING' }]);
  await federation.close(other);
});

test('on the chain of another federation a proxy never becomes ready', async () => {
  const other = await federation.build('HospitalA2', {}, { federation: 'another' });
  void other.begin('http://hospitala2.example');
  await expect.poll(() => other.readiness()).toEqual({ ready: false, reason: 'FEDERATION_MISMATCH' });
  await federation.close(other);
});

test('what is under way when a proxy is closed is answered, and its connection not kept for more', async () => {
  const other = await federation.proxy('HospitalA2');
  await other.app.listen({ host: '127.0.0.1', port: 0 });
  const { server } = other.app;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const begun = once(server, 'request');
  socket.write(
    'POST /v1/kfrags HTTP/1.1\r\nHost: proxy\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{',
  );
  await begun;
  const closed = federation.close(other);
  socket.write('}');
  const answered = text(socket);
  const late = delay(server.keepAliveTimeout / 2, 'late', { ref: false });
  expect(await Promise.race([closed, late])).toBeUndefined();
  expect(await answered).toMatch(/^HTTP\/1\.1 503 .*"code":"NOT_READY","message":"CLOSING"/s);
});

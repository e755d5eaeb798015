import { once } from 'node:events';
import { readdir, readFile, stat, truncate } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Testbed } from '@yilian/testbed';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Pseudonyms, pseudonymise, RESIDENT_ID, startPseudonyms } from '../src/index.ts';
import { ID, OTHER_ID, random, send, TestAuthority } from './authority.ts';

/** Much less than a connection is kept. */
const PATIENCE_MS = 5_000;
let authority: TestAuthority;
let testbed: Testbed;
let folder: string;
let service: Pseudonyms;
beforeAll(async () => {
  authority = await TestAuthority.open();
  ({ testbed, folder } = authority);
  service = await authority.build();
});
afterAll(async () => {
  await service.close();
  await authority[Symbol.asyncDispose]();
});

const open: TestAuthority['build'] = (changes) => authority.build(changes);
const request: TestAuthority['request'] = (...asked) => authority.request(...asked);
const ask = (body: unknown, to = service) => send(to, JSON.stringify(body));
const pseudonymOf = async (body: unknown) => (await ask(body)).body.pseudonym;
const refused = (status: number, code: string) => ({ status, body: { code } });
const auditLog = async () => readFile(join(folder, 'authority', 'audit.log'), 'utf8');

test('one person has one pseudonym, whoever asks and however the number is spelled; another has another', async () => {
  const first = await ask(request());
  expect(first).toMatchObject({ status: 200, body: { keyEpoch: 1 } });
  expect(first.body.pseudonym).toMatch(/^[\w-]{43}$/);
  const elsewhere = testbed.member('HospitalB1', 'hospital');
  expect(await pseudonymOf(request({ nationalId: ID.toLowerCase() }))).toBe(first.body.pseudonym);
  expect(await pseudonymOf(request({ region: 'region-b' }, [elsewhere]))).toBe(first.body.pseudonym);
  expect(await pseudonymOf(request({ nationalId: OTHER_ID }))).not.toBe(first.body.pseudonym);
});

test('the same characters under another system are another person, and another authority gives other pseudonyms', async () => {
  const passport = { system: 'http://hl7.org/fhir/sid/passport-CHN', nationalId: 'E12345678' };
  const foreign = { ...passport, system: 'http://hl7.org/fhir/sid/passport-FRA' };
  expect(await pseudonymOf(request(passport))).not.toBe(await pseudonymOf(request(foreign)));
  const other = await open({ folder: join(folder, 'other') });
  expect((await ask(request(), other)).body.pseudonym).not.toBe(await pseudonymOf(request()));
  await other.close();
});

test('the audit log has a line for every pseudonym, without number or pseudonym; nor does any other file have them', async () => {
  const before = (await auditLog()).split('\n').length;
  const asked = request();
  const pseudonym = await pseudonymOf(asked);
  await pseudonymOf(request());
  const lines = (await auditLog()).split('\n');
  expect(lines.length).toBe(before + 2);
  const [line, again] = lines.slice(-3, -1).map((text) => JSON.parse(text) as Record<string, unknown>);
  const { evidence } = asked.document;
  expect(line).toMatchObject({ region: 'region-a', mspId: 'HospitalA1', system: RESIDENT_ID, evidence });
  expect(again!['tag']).toBe(line!['tag']);
  for (const name of await readdir(join(folder, 'authority'))) {
    const contents = await readFile(join(folder, 'authority', name));
    expect(contents.includes(ID)).toBe(false);
    expect(contents.includes(pseudonym!)).toBe(false);
    expect(contents.includes(Buffer.from(pseudonym!, 'base64url'))).toBe(false);
  }
});

test('a request counts once, also after a restart, and the key is the same', async () => {
  const asked = request();
  const pseudonym = await pseudonymOf(asked);
  expect(await ask(asked)).toMatchObject(refused(409, 'REPLAYED'));
  await service.close();
  service = await open();
  expect(await ask(asked)).toMatchObject(refused(409, 'REPLAYED'));
  expect(await pseudonymOf(request())).toBe(pseudonym);
});

test('only a hospital of a registered region may ask, in time, for itself alone', async () => {
  const practitioner = testbed.member('HospitalA1', 'practitioner');
  const wrong = [
    [request({}, [practitioner]), 403, 'ROLE_REQUIRED'],
    [request({}, [authority.hospital, practitioner]), 403, 'ROLE_REQUIRED'],
    [request({}, [testbed.member('HospitalB1', 'hospital')]), 403, 'SIGNER_UNTRUSTED'],
    [request({ region: 'region-z' }), 403, 'SIGNER_UNTRUSTED'],
    [request({ federation: 'another' }), 400, 'FEDERATION_MISMATCH'],
    [request({ signedAt: Date.now() - 61_000 }), 403, 'DOCUMENT_STALE'],
    [request({ signedAt: Date.now() + 65_000 }), 403, 'DOCUMENT_STALE'],
    [request({ nationalId: '110105194912310021' }), 422, 'NATIONAL_ID_INVALID'],
    [request({ system: 'urn:oid:1.2.3' }), 422, 'SYSTEM_UNKNOWN'],
  ] as const;
  for (const [body, status, code] of wrong) expect(await ask(body)).toMatchObject(refused(status, code));
  const { document, ...rest } = request();
  expect(await ask({ ...rest, document: { ...document, nationalId: OTHER_ID } })).toMatchObject(
    refused(403, 'SIGNER_UNTRUSTED'),
  );
});

test('malformed requests are refused without repeating what they hold', async () => {
  const { document, ...rest } = request();
  for (const body of [null, [], {}, { ...rest, document: { ...document, nationalId: { secret: ID } } }, ID]) {
    const reply = await ask(body);
    expect(reply).toMatchObject(refused(400, 'MALFORMED'));
    expect(JSON.stringify(reply)).not.toContain(ID);
  }
  expect(await ask('x'.repeat(20_000))).toMatchObject(refused(413, 'TOO_LARGE'));
});

test('an organisation that asks too often must wait, others need not', async () => {
  const narrow = await open({ folder: join(folder, 'narrow'), perMinute: 2 });
  expect((await ask(request(), narrow)).status).toBe(200);
  expect((await ask(request(), narrow)).status).toBe(200);
  expect(await ask(request(), narrow)).toMatchObject(refused(429, 'TOO_MANY_REQUESTS'));
  expect((await ask(request({}, [testbed.member('HospitalA2', 'hospital')]), narrow)).status).toBe(200);
  await narrow.close();
});

test('a frozen region’s hospitals get nothing', async () => {
  const [, second] = await testbed.main().regions();
  await testbed.register({ ...second!.entry, version: second!.entry.version + 1, frozen: true });
  const { region } = second!.entry;
  const member = testbed.member('HospitalB1', 'hospital');
  await expect
    .poll(() => ask(request({ region }, [member])), { timeout: 5_000 })
    .toMatchObject(refused(403, 'SIGNER_UNTRUSTED'));
});

test('the client asks over HTTP and gets the code of a refusal', async () => {
  const { url, close } = await startPseudonyms(
    authority.config({ folder: join(folder, 'http') }),
    authority.dependencies(),
  );
  const options = {
    federation: testbed.federation,
    region: 'region-a',
    evidence: random(32),
    signer: authority.hospital,
  };
  expect(await pseudonymise(url, { ...options, nationalId: ID })).toMatchObject({ keyEpoch: 1 });
  await expect(pseudonymise(url, { ...options, nationalId: '1' })).rejects.toMatchObject({
    code: 'NATIONAL_ID_INVALID',
  });
  await close();
  await expect(pseudonymise(url, { ...options, nationalId: ID })).rejects.toMatchObject({ code: 'UNREACHABLE' });
});

test('the key is its owner’s alone, and a damaged one is not used', async () => {
  const file = join(folder, 'authority', 'prf.key');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const damaged = await open({ folder: join(folder, 'damaged') });
  await damaged.close();
  await truncate(join(folder, 'damaged', 'prf.key'), 31);
  await expect(open({ folder: join(folder, 'damaged') })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('what is under way when the service is closed is answered, and its connection not kept for more', async () => {
  const other = await open({ folder: join(folder, 'closed') });
  await other.app.listen({ host: '127.0.0.1', port: 0 });
  const { server } = other.app;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const begun = once(server, 'request');
  const head = 'POST /v1/pseudonyms HTTP/1.1\r\nHost: authority\r\nContent-Type: application/json\r\n';
  socket.write(`${head}Content-Length: 2\r\n\r\n{`);
  await begun;
  const closed = other.close();
  socket.write('}');
  const answered = text(socket);
  const late = delay(PATIENCE_MS, 'late', { ref: false });
  expect(await Promise.race([closed, late])).toBeUndefined();
  expect(await answered).toMatch(/^HTTP\/1\.1 400 .*"code":"MALFORMED"/s);
});

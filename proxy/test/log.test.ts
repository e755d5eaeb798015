import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { GrantBook } from '../src/grant-book.ts';
import type { BuiltProxy } from '../src/index.ts';
import { TestFederation } from './federation.ts';

const OWN = 'CommissionA';
let federation: TestFederation;
let proxy: BuiltProxy;
let text = '';
const log = pino(
  { level: 'trace' },
  new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString();
      done();
    },
  }),
);
beforeAll(async () => {
  federation = await TestFederation.open();
  proxy = await federation.proxy(OWN, { log });
});
afterAll(() => federation[Symbol.asyncDispose]());

test('the log at its most talkative names no patient, grant, request, key certificate or transaction', async () => {
  const patient = await federation.patient();
  const record = await federation.publish(patient);
  const grant = await federation.grant(patient, await federation.doctor());
  const { grantId } = grant;
  const quoting = vi.spyOn(GrantBook.prototype, 'acknowledged').mockImplementation(() => {
    throw new Error(`no row ${grantId}`);
  });
  try {
    expect((await federation.deliver(proxy, OWN, grant)).status).toBe(500);
    await expect.poll(() => text).toContain('will be tried again');
  } finally {
    quoting.mockRestore();
  }
  expect((await federation.deliver(proxy, OWN, grant)).status).toBe(200);
  const { order } = await federation.decide(grant);
  const release = () => federation.order(proxy, OWN, '/v1/releases', 'release', order);
  expect((await release()).status).toBe(200);
  await federation.post(proxy, '/v1/revocations', federation.revocation(grant));
  expect((await release()).status).toBe(403);
  await proxy.app.inject(`/v1/releases/${order.requestId}`);
  await federation.close(proxy);

  for (const said of ['"ready"', '"code":"OK"', '"code":"REVOKED"', '"code":"NOT_FOUND"', '"failed"', 'grants.ts'])
    expect(text).toContain(said);
  const { pseudonym } = patient;
  const names = {
    pseudonym,
    grantId,
    ...order,
    record: record.recordId,
    keyCertificate: grant.doctor.keyCertificateId,
  };
  for (const [what, name] of Object.entries(names))
    expect([what, text.includes(name.slice(0, 8))]).toEqual([what, false]);
});

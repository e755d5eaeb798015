import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { slowSenders } from '@yilian/testbed';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PseudonymRequest, Pseudonyms } from '../src/index.ts';
import { ID, type Reply, send, TestAuthority } from './authority.ts';

/** Whatever is sent: a refusal with a code that repeats nothing, in the answer as in the log. */
const RUNS = Number(process.env['YILIAN_FUZZ_RUNS'] ?? 100);
let authority: TestAuthority;
let service: Pseudonyms;
let log = '';
beforeAll(async () => {
  authority = await TestAuthority.open();
  const write = (chunk: Buffer, _: unknown, done: () => void): void => {
    log += chunk.toString();
    done();
  };
  service = await authority.build({ perMinute: 1_000_000 }, { log: pino({ level: 'trace' }, new Writable({ write })) });
});
afterAll(async () => {
  await service.close();
  await authority[Symbol.asyncDispose]();
});

function expectRefusal({ status, text }: Pick<Reply, 'status' | 'text'>, expected?: string): void {
  expect(Math.trunc(status / 100), text).toBe(4);
  const { code, message, ...rest } = JSON.parse(text) as Record<string, unknown>;
  expect(code).toMatch(expected ?? /^[A-Z][A-Z0-9_]+$/);
  expect(message).not.toMatch(/\bat .*:\d+:\d+|node_modules|\.ts\b/);
  expect(rest).toEqual({});
}

test('the service has no other routes than the ones tried here', () => {
  const routes = service.app.printRoutes({ commonPrefix: false }).match(/\/\S*/g) ?? [];
  expect(routes.toSorted()).toEqual(['/health', '/ready', '/v1/pseudonyms']);
});

test('junk, and a request with any part changed, is refused with a code', async () => {
  const { document, ...rest } = authority.request();
  const part = fc.constantFrom(...(Object.keys(document) as (keyof PseudonymRequest)[]));
  const changed = fc.oneof(
    fc.tuple(part, fc.jsonValue()).map(([name, value]) => ({ ...rest, document: { ...document, [name]: value } })),
    part.map((name) => ({ ...rest, document: { ...document, [name]: undefined } })),
    fc.jsonValue().map((value) => ({ ...rest, document: value })),
    fc.jsonValue().map((signatures) => ({ ...rest, document, signatures })),
    fc.jsonValue().map((signature) => ({ ...rest, document, signatures: [...rest.signatures, signature] })),
    fc.tuple(fc.string(), fc.jsonValue()).map(([name, value]) => ({ ...rest, document, [name]: value })),
    fc.jsonValue().map((more) => ({ ...rest, document: { ...document, more } })),
  );
  const unlike = changed
    .map((body) => JSON.stringify(body))
    .filter((text) => text !== JSON.stringify({ ...rest, document }));
  const wrong = fc.oneof(fc.json(), fc.string(), fc.constantFrom('', '{"__proto__":{}}'), unlike);
  await fc.assert(
    fc.asyncProperty(wrong, async (payload) => {
      const reply = await send(service, payload);
      expectRefusal(reply);
      expect(reply.text).not.toContain(ID);
    }),
    { numRuns: RUNS },
  );
  expect((await send(service, JSON.stringify({ ...rest, document }))).status).toBe(200);
});

test('an identity number that is none is refused without being repeated, to the caller or in the log', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 12, maxLength: 64 }), async (nationalId) => {
      const reply = await send(service, JSON.stringify(authority.request({ nationalId })));
      expectRefusal(reply, 'NATIONAL_ID_INVALID');
      expect(reply.text).not.toContain(JSON.stringify(nationalId).slice(1, -1));
      expect(log).not.toContain(JSON.stringify(nationalId).slice(1, -1));
    }),
    { numRuns: RUNS / 4 },
  );
});

test('what is too large, of another type or nowhere is refused', async () => {
  const json = await send(service, `"${'x'.repeat(16 * 1024)}"`);
  expect(json.status).toBe(413);
  expectRefusal(json, 'TOO_LARGE');
  for (const options of [
    { method: 'POST', url: '/v1/pseudonyms', headers: { 'content-type': 'text/xml' }, payload: 'x' },
    { url: '/v1/pseudonyms' },
    { url: '/v1/%' },
    { method: 'POST', url: '/health' },
  ] as const) {
    const { statusCode: status, body: text } = await service.app.inject(options);
    expectRefusal({ status, text });
  }
});

test('an address that calls too often must wait', async () => {
  const other = await authority.build({ folder: `${authority.folder}/often` });
  let calls = 0;
  while ((await other.app.inject('/health')).statusCode === 200) calls += 1;
  expect(calls).toBe(6_000);
  const refused = await send(other, '{}');
  expect([refused.status, refused.body.code]).toEqual([429, 'TOO_MANY_REQUESTS']);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  await other.close();
});

test('a head or a body that never ends costs its sender the connection, and others are served meanwhile', async () => {
  const { app } = service;
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  expect(app.server).toMatchObject({ requestTimeout: 15_000, headersTimeout: 5_000 });
  Object.assign(app.server, { requestTimeout: 300, headersTimeout: 300 });
  using slow = slowSenders(port, '/v1/pseudonyms');
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  await slow.cutOff;
});

test('the log at its most talkative has neither number nor pseudonym', async () => {
  const { body } = await send(service, JSON.stringify(authority.request()));
  await send(service, JSON.stringify(authority.request({ nationalId: `${ID}0` })));
  for (const said of ['"NATIONAL_ID_INVALID"', '"MALFORMED"']) expect(log).toContain(said);
  for (const secret of [ID.slice(0, 8), ID.slice(6, 14), body.pseudonym!.slice(0, 8)])
    expect(log).not.toContain(secret);
});

import type { AddressInfo } from 'node:net';
import { toBase64url } from '@yilian/protocol';
import { OutcomeLog, outcomeLeaf } from '@yilian/regional-chain';
import { junk, mutated, RUNS, slowSenders } from '@yilian/testbed';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { HOME, TestFederation } from './federation.ts';

/** Whatever is sent to whichever route: a refusal with a code, and the proxy goes on. */
const [PROXY, ATTESTER] = ['CommissionA', 'Authority1'];
const JSON_TYPE = { 'content-type': 'application/json' };
let federation: TestFederation;
let proxies: Readonly<Record<'proxy' | 'attester', BuiltProxy>>;
/** A body each route takes; made anew each time. */
let bodies: Readonly<Record<'proxy' | 'attester', Readonly<Record<string, () => Promise<unknown>>>>>;

beforeAll(async () => {
  federation = await TestFederation.open();
  const limits = { patientRequestsPerMinute: 1_000_000, relayRequestsPerMinute: 1_000_000 };
  proxies = {
    proxy: await federation.proxy(PROXY, {}, { limits }),
    attester: await federation.proxy(ATTESTER, {}, { network: 'main', limits }),
  };
  const patient = await federation.patient();
  await federation.publish(patient);
  const grant = await federation.grant(patient, await federation.doctor());
  await federation.deliver(proxies.proxy, PROXY, grant);
  const { order, outcome } = await federation.decide(grant);
  const { testbed } = federation;
  const [region, ...others] = await testbed.main().regions();
  const log = new OutcomeLog();
  log.append(outcomeLeaf(order.transactionId, outcome));
  const own = { federation: testbed.federation };
  const height = () => ({
    ...own,
    height: 1,
    regions: [region!, ...others].map(({ entry }) => ({ region: entry.region, version: entry.version })),
    at: Date.now(),
  });
  const checkpoint = () => ({ ...own, region: HOME, size: 1, root: toBase64url(log.root()), at: Date.now() });
  const { transactionId } = order;
  const to = (address: string, kind: string, body: () => unknown) => async () =>
    federation.envelope(address, kind, body());
  const ended = async () => {
    const other = await federation.grant(patient, await federation.doctor());
    await federation.deliver(proxies.proxy, PROXY, other);
    return federation.revocation(other);
  };
  bodies = {
    proxy: {
      '/v1/kfrags': async () => ({ grantId: grant.grantId, sealed: grant.sealed.get(PROXY) }),
      '/v1/revocations': ended,
      '/v1/releases': to(`${HOME}/${PROXY}`, 'release', () => order),
      '/v1/attestations': to(`${HOME}/${PROXY}`, 'attest', () => ({ transactionId })),
      '/v1/checkpoints': to(`${HOME}/${PROXY}`, 'checkpoint', () => ({ document: checkpoint() })),
    },
    attester: {
      '/v1/attestations': to(`main/${ATTESTER}`, 'attest', () => ({ transactionId: region!.transactionId })),
      '/v1/heights': to(`main/${ATTESTER}`, 'height', () => ({ document: height() })),
    },
  };
});
afterAll(() => federation[Symbol.asyncDispose]());

interface Answer {
  readonly statusCode: number;
  readonly body: string;
}

function expectRefusal({ statusCode, body }: Answer): { code: string } {
  expect(Math.trunc(statusCode / 100), body).toBe(4);
  const { code, message, ...rest } = JSON.parse(body) as Record<string, unknown>;
  expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
  expect(message).not.toMatch(/\bat .*:\d+:\d+|node_modules|\.ts\b/);
  expect(rest).toEqual({});
  return { code: String(code) };
}

const send = (to: BuiltProxy, url: string, payload: string) =>
  to.app.inject({ method: 'POST', url, headers: JSON_TYPE, payload });

/** `METHOD /path` of every route the server has. */
function routesOf({ app }: BuiltProxy): string[] {
  const above: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', path = '', methods = ''] = /^([│├└─ ]+)(\S+) \((.+)\)$/.exec(line) ?? [];
      above.splice(indent.length / 4 - 1, above.length, path);
      return methods
        .split(', ')
        .flatMap((method) => (method === 'HEAD' || method === '' ? [] : [`${method} ${above.join('')}`]));
    });
}

const posts = (name: 'proxy' | 'attester') => Object.keys(bodies[name]);

describe.each(['proxy', 'attester'] as const)('the %s', (name) => {
  test('is tried at every route it has', () => {
    const open = ['GET /health', 'GET /ready', 'GET /metrics', ...(name === 'proxy' ? ['GET /v1/key'] : [])];
    const tried = [...open, ...posts(name).map((path) => `POST ${path}`)];
    expect(routesOf(proxies[name]).toSorted()).toEqual(tried.toSorted());
  });

  test('refuses junk, and a body with any part changed, with a code', async () => {
    for (const path of posts(name)) {
      const valid = await bodies[name][path]!();
      const wrong = fc.oneof(
        junk(),
        mutated(valid).map((body) => JSON.stringify(body) ?? ''),
      );
      await fc.assert(
        fc.asyncProperty(wrong, async (payload) => void expectRefusal(await send(proxies[name], path, payload))),
        { numRuns: RUNS },
      );
      expect([path, (await send(proxies[name], path, JSON.stringify(valid))).statusCode]).toEqual([path, 200]);
    }
  });

  test('refuses an order that is not what its envelope says, although a relay signed it', async () => {
    for (const path of posts(name)) {
      const { document } = (await bodies[name][path]!()) as Partial<ReturnType<TestFederation['envelope']>>;
      if (document?.kind === undefined) continue;
      const wrong = fc.oneof(
        fc.jsonValue(),
        fc.tuple(fc.constantFrom(...Object.keys(document.body as object)), fc.jsonValue()).map(([part, value]) => ({
          ...(document.body as object),
          [part]: value,
        })),
      );
      await fc.assert(
        fc.asyncProperty(wrong, async (body) => {
          const envelope = federation.envelope(document.to, document.kind, body);
          const { code } = expectRefusal(await send(proxies[name], path, JSON.stringify(envelope)));
          expect(['DOCUMENT_MALFORMED', 'MALFORMED']).toContain(code);
        }),
        { numRuns: RUNS },
      );
    }
  });

  test('refuses what is too large, of another type, or nowhere', async () => {
    const { app } = proxies[name];
    for (const path of posts(name)) {
      const large = await send(proxies[name], path, `"${'x'.repeat(128 * 1024)}"`);
      expect([path, large.statusCode, expectRefusal(large)]).toEqual([path, 413, { code: 'TOO_LARGE' }]);
      const xml = await app.inject({
        method: 'POST',
        url: path,
        headers: { 'content-type': 'text/xml' },
        payload: 'x',
      });
      expect([path, xml.statusCode, expectRefusal(xml)]).toEqual([path, 415, { code: 'UNSUPPORTED_MEDIA_TYPE' }]);
    }
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.constantFrom('GET', 'POST', 'DELETE'), async (path, method) => {
        expectRefusal(await app.inject({ method, url: `/v1/nothing/${encodeURIComponent(path)}` }));
      }),
      { numRuns: RUNS },
    );
    for (const url of ['/v1/%', '/v1/%ff', `/${'x'.repeat(5000)}`]) expectRefusal(await app.inject({ url }));
  });
});

test('the key of the proxy is the one on the chain', async () => {
  const [registered] = await federation.chain.proxies();
  expect((await proxies.proxy.app.inject('/v1/key')).json()).toEqual(registered);
});

test('a caller that sends too often must wait, and only at what it called', async () => {
  const limits = { patientRequestsPerMinute: 2, relayRequestsPerMinute: 3 };
  const narrow = await federation.build('HospitalA2', {}, { limits });
  for (const [path, taken] of [
    ['/v1/kfrags', 2],
    ['/v1/releases', 3],
  ] as const) {
    for (let time = 0; time < taken; time += 1)
      expect((await send(narrow, path, '{}')).json()).toMatchObject({ code: 'NOT_READY' });
    const refused = await send(narrow, path, '{}');
    expect([refused.statusCode, expectRefusal(refused)]).toEqual([429, { code: 'TOO_MANY_REQUESTS' }]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  }
  expect((await narrow.app.inject('/health')).statusCode).toBe(200);
  await federation.close(narrow);
});

test('a head or a body that never ends costs its sender the connection, and others are served meanwhile', async () => {
  const { app } = proxies.attester;
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  expect(app.server).toMatchObject({ requestTimeout: 15_000, headersTimeout: 5_000 });
  Object.assign(app.server, { requestTimeout: 300, headersTimeout: 300 });
  using slow = slowSenders(port, '/v1/heights');
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  await slow.cutOff;
});

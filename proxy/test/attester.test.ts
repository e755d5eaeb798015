import { documentBytes, fromBase64url, identifyAny, MainHeight, type Signature } from '@yilian/protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { ELSEWHERE, HOME, TestFederation } from './federation.ts';

/** An authority's attester: the same program on the main chain, without key fragments. */
const OWN = 'Authority1';
const TO = `main/${OWN}`;
let federation: TestFederation;
let attester: BuiltProxy;
beforeAll(async () => {
  federation = await TestFederation.open();
  attester = await federation.proxy(OWN, {}, { network: 'main' });
});
afterAll(() => federation[Symbol.asyncDispose]());

const refused = (status: number, code: string) => ({ status, body: { code } });
const height = (document: MainHeight) =>
  federation.post(attester, '/v1/heights', federation.envelope(TO, 'height', { document }));

async function current(): Promise<MainHeight> {
  const { testbed } = federation;
  const regions = await testbed.main().regions();
  return {
    federation: testbed.federation,
    height: testbed.node('main').height(),
    regions: regions.map(({ entry: { region, version } }) => ({ region, version })),
    at: Date.now(),
  };
}

test('it attests main-chain transactions for every region’s relays', async () => {
  const [state] = await federation.testbed.main().regions();
  const order = { transactionId: state!.transactionId };
  for (const region of [HOME, ELSEWHERE]) {
    const envelope = federation.envelope(TO, 'attest', order, { from: region }, federation.relay(region));
    expect(await federation.post(attester, '/v1/attestations', envelope)).toMatchObject({
      status: 200,
      body: { attestation: { mspId: OWN, statement: { network: 'main', transaction: order.transactionId } } },
    });
  }
});

test('it signs a height that its own view confirms', async () => {
  const document = await current();
  const { status, body } = await height(document);
  expect(status).toBe(200);
  const signature = body['signature'] as Extract<Signature, { alg: 'ES256' }>;
  const identity = identifyAny([federation.testbed.trust('main')], signature.certificate, Date.now());
  expect(identity).toMatchObject({ mspId: OWN, attributes: { 'yilian.role': 'proxy' } });
  expect(identity.verify(documentBytes(MainHeight.type, document), fromBase64url(signature.value))).toBe(true);
  expect((await height({ ...document, height: 1, at: Date.now() })).status).toBe(200);
});

test('it signs no height that is higher, of other versions, of other regions, of another time or federation', async () => {
  const document = await current();
  const [first, second] = document.regions;
  const mismatch = refused(409, 'HEIGHT_MISMATCH');
  expect(await height({ ...document, height: document.height + 1 })).toMatchObject(mismatch);
  expect(await height({ ...document, regions: [{ ...first!, version: 2 }, second!] })).toMatchObject(mismatch);
  expect(await height({ ...document, regions: [first!] })).toMatchObject(mismatch);
  expect(await height({ ...document, regions: [first!, first!] })).toMatchObject(mismatch);
  expect(await height({ ...document, regions: [first!, second!, { region: 'region-z', version: 1 }] })).toMatchObject(
    mismatch,
  );
  for (const at of [document.at - 31_000, document.at + 35_000])
    expect(await height({ ...document, at })).toMatchObject(refused(422, 'TIME_MISMATCH'));
  expect(await height({ ...document, federation: 'another' })).toMatchObject(refused(422, 'FEDERATION_MISMATCH'));
});

test('it attests under the trust roots asked for, as long as they are in force', async () => {
  const { testbed } = federation;
  const [state] = await testbed.main().regions();
  const attested = (trustRootVersion?: number) => {
    const order = { transactionId: state!.transactionId, ...(trustRootVersion && { trustRootVersion }) };
    return federation.post(attester, '/v1/attestations', federation.envelope(TO, 'attest', order));
  };
  const under = (trustRootVersion: number) => ({
    status: 200,
    body: { attestation: { statement: { trustRootVersion } } },
  });
  const entry = { ...testbed.trust('main'), version: 2, validFrom: Date.now() - 1000 };
  await testbed.change({ kind: 'main', entry });
  await vi.waitFor(async () => expect(await attested()).toMatchObject(under(2)), { timeout: 5000 });
  expect(await attested(1)).toMatchObject(under(1));
  expect(await attested(3)).toMatchObject(refused(410, 'TRUST_EXPIRED'));
});

test('it takes no orders of unknown regions and has nothing for patients', async () => {
  const body = { transactionId: 'a'.repeat(64) };
  const envelope = federation.envelope(TO, 'attest', body, { from: 'region-z' });
  expect(await federation.post(attester, '/v1/attestations', envelope)).toMatchObject(refused(403, 'REGION_UNKNOWN'));
  for (const path of ['/v1/kfrags', '/v1/revocations', '/v1/releases', '/v1/checkpoints'])
    expect(await federation.post(attester, path, {})).toMatchObject(refused(404, 'NOT_FOUND'));
});

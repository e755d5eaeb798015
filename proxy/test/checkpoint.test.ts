import { type Checkpoint, toBase64url } from '@yilian/protocol';
import { OutcomeLog, outcomeLeaf } from '@yilian/regional-chain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BuiltProxy } from '../src/index.ts';
import { HOME, random, TestFederation } from './federation.ts';

const OWN = 'CommissionA';
const log = new OutcomeLog();
let federation: TestFederation;
let proxy: BuiltProxy;
beforeAll(async () => {
  federation = await TestFederation.open();
  proxy = await federation.proxy(OWN);
  const grant = await federation.grant(await federation.patient(), await federation.doctor());
  for (let count = 0; count < 5; count += 1) {
    const { order, outcome } = await federation.decide(grant);
    log.append(outcomeLeaf(order.transactionId, outcome));
  }
});
afterAll(() => federation[Symbol.asyncDispose]());

const checkpoint = (changes: Partial<Checkpoint> = {}): Checkpoint => ({
  federation: federation.testbed.federation,
  region: HOME,
  size: log.size,
  root: toBase64url(log.root()),
  at: Date.now(),
  ...changes,
});
const sign = (document: Checkpoint) => federation.order(proxy, OWN, '/v1/checkpoints', 'checkpoint', { document });
const refused = (status: number, code: string) => ({ status, body: { code } });

test('a root made of the decisions’ own payloads is signed, at any size, also after a restart', async () => {
  await expect.poll(async () => (await sign(checkpoint())).status).toBe(200);
  const earlier = checkpoint({ size: 3, root: toBase64url(log.root(3)) });
  expect((await sign(earlier)).status).toBe(200);
  await federation.close(proxy);
  proxy = await federation.proxy(OWN);
  expect((await sign(checkpoint())).status).toBe(200);
});

test('another root, a size the proxy has not reached, another region, federation or time is refused', async () => {
  expect(await sign(checkpoint({ root: random(32) }))).toMatchObject(refused(409, 'CHECKPOINT_MISMATCH'));
  expect(await sign(checkpoint({ size: 4 }))).toMatchObject(refused(409, 'CHECKPOINT_MISMATCH'));
  expect(await sign(checkpoint({ size: 6 }))).toMatchObject(refused(503, 'LOG_BEHIND'));
  expect(await sign(checkpoint({ region: 'region-b' }))).toMatchObject(refused(409, 'CHECKPOINT_MISMATCH'));
  expect(await sign(checkpoint({ federation: 'another' }))).toMatchObject(refused(422, 'FEDERATION_MISMATCH'));
  expect(await sign(checkpoint({ at: Date.now() - 31_000 }))).toMatchObject(refused(422, 'TIME_MISMATCH'));
});

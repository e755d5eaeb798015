import { afterAll, beforeAll, expect, it } from 'vitest';
import { violationsAtRest } from '../src/rest.ts';
import { askingRegionCases, askingRelayCases, askUntilOver, overdueCase } from './attackers/asking-relay.ts';
import { holderCases } from './attackers/holder.ts';
import { askTooEarly, homeRelayCases, type KeptBack, lateAnswerCase } from './attackers/home-relay.ts';
import { hospitalCases } from './attackers/hospital.ts';
import { liedToClientCases } from './attackers/lied-to-client.ts';
import { orderCases } from './attackers/orders.ts';
import { CASE_MS, type Exchange, Scene } from './attackers/scene.ts';
import { turnedProxyCases } from './attackers/turned-proxy.ts';

/**
 * Modified peers on the real ports of one federation of real processes: each sits where an honest one would, has its real
 * key, and lies about one thing. Every case ends with what both ledgers say.
 */
let scene: Scene;
let other: Exchange;
let kept: KeptBack;
let overdue: Awaited<ReturnType<typeof askUntilOver>>;

beforeAll(async () => {
  scene = await Scene.open();
  [kept, overdue] = await Promise.all([askTooEarly(scene), askUntilOver(scene)]);
  other = await scene.exchange(scene.all.doctor, scene.all.patient);
}, 120_000);
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
}, 60_000);

const theScene = (): Scene => scene;
const theOther = (): Exchange => other;

homeRelayCases(theScene, theOther);
liedToClientCases(theScene, theOther);
turnedProxyCases(theScene);
holderCases(theScene);
hospitalCases(theScene);
askingRelayCases(theScene, theOther);
overdueCase(theScene, () => overdue);
lateAnswerCase(theScene, () => kept);
orderCases(theScene);
askingRegionCases(theScene);

it(
  'after all of it neither ledger has anything against the rules',
  async () => {
    expect(await violationsAtRest(scene.world)).toEqual([]);
  },
  CASE_MS,
);

import { setTimeout as delay } from 'node:timers/promises';
import type { Practitioner } from '@yilian/client';
import { documentId, Request, type SignedBy, utf8Bytes } from '@yilian/protocol';
import { expect, it } from 'vitest';
import type { Actors } from '../../local/actors.ts';
import { isFree } from '../../local/ports.ts';
import { servesAgain } from '../fixture/waiting.ts';
import { kill, living, type World } from '../fixture/world.ts';

const SLOW_MS = 120_000;
const ANSWER_MS = 60_000;
const AT_ONCE = 3;
const ONCE = 'released, released, mirrored 1 times';
const KINDS = [
  ['the home relay', 'region-a/relay'],
  ['the requesting relay', 'region-b/relay'],
  ['a proxy', 'region-a/proxy/HospitalA1'],
  ['the home Redis', 'region-a/redis'],
  ['the requesting Redis', 'region-b/redis'],
  ['the home chain', 'region-a/chain'],
] as const;

/** Crashes while queries run: each query ends in exactly one outcome. */
export function faults(world: () => World): void {
  it.each(KINDS)('answers every query though %s is killed meanwhile', { timeout: SLOW_MS }, async (_, name) => {
    const actors = await world().actors();
    const { practitioner } = await actors.doctor('li');
    const victim = await processOf(world(), name);
    const queries = Array.from({ length: AT_ONCE }, () => query(actors, practitioner));
    await delay(Math.random() * 100);
    kill(victim);
    expect(await outcomes(actors, await Promise.all(queries))).toEqual(Array(AT_ONCE).fill(ONCE));
    await servesAgain(world(), name, victim);
  });

  it('keeps grants, records and requests though everything is killed at once', { timeout: SLOW_MS }, async () => {
    const before = await world().everybody();
    const asked = await world()
      .actors()
      .then(async (actors) => {
        const { practitioner } = await actors.doctor('li');
        return practitioner.ask(actors.relay('region-b'), await requestOf(actors, practitioner));
      });
    for (const each of before) kill(each);
    while (living(before).length > 0) await delay(10);
    expect(await world().terminal.refusal(['request', '--doctor', 'li', '--patient', 'alice'])).toMatchObject({
      code: 'NOT_RUNNING',
    });
    await world().terminal.json(['up']);
    const actors = await world().actors();
    const { practitioner } = await actors.doctor('li');
    expect(await outcomes(actors, [asked.requestId, await query(actors, practitioner)])).toEqual([ONCE, ONCE]);
    await using open = await actors.hospital('HospitalA1');
    for (const grantId of world().story.grants.slice(1, 2))
      expect((await open.chain.grantEntry(grantId)).revokedAt).toBeUndefined();
    for (const requestId of world().story.requests)
      expect((await open.chain.outcome(requestId)).outcome.outcome).toBe('released');
  });

  it('leaves nothing running after `down`, and frees every port', { timeout: SLOW_MS }, async () => {
    const before = await world().everybody();
    const { layout } = await world().actors();
    await world().terminal.json(['down']);
    expect(living(before)).toEqual([]);
    const taken = [];
    for (const name of layout.listeners) if (!(await isFree(layout.port(name)))) taken.push(name);
    expect(taken).toEqual([]);
    expect(await world().terminal.refusal(['down'])).toMatchObject({ exitCode: 1, code: 'NOT_RUNNING' });
  });
}

async function processOf(world: World, name: string) {
  const found = (await world.running()).processes.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no process ${name}`);
  return found;
}

async function requestOf(actors: Actors, practitioner: Practitioner): Promise<SignedBy<typeof Request>> {
  const { pseudonym = '' } = await actors.person('alice', 'patient');
  return practitioner.request({
    pseudonym,
    scopes: ['encounter'],
    purpose: 'TREAT',
    evidence: utf8Bytes('referral'),
    minMainHeight: 0,
  });
}

/** Asks until it is taken, as a person would, and waits for the answer. */
async function query(actors: Actors, practitioner: Practitioner): Promise<string> {
  const relay = actors.relay('region-b');
  const request = await requestOf(actors, practitioner);
  const signal = AbortSignal.timeout(ANSWER_MS);
  for (;;) {
    try {
      const { homes } = await practitioner.ask(relay, request);
      const reply = await practitioner.await(relay, documentId(Request.type, request.document), { signal });
      const { complete, legs } = practitioner.verify(await actors.view('region-b'), request, reply, { homes });
      expect([complete, legs.map(({ state }) => state)]).toEqual([true, ['released', 'released']]);
      return documentId(Request.type, request.document);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Error) || !/UNREACHABLE|TIMEOUT|UNAVAILABLE|BUSY|VIEW_STALE|MISSING/.test(error.message))
        throw error;
      await delay(100);
    }
  }
}

/**
 * What both ledgers say of each request: the outcome at either home, and how often the requesting chain mirrored the
 * one of the other region.
 */
async function outcomes(actors: Actors, requestIds: readonly string[]): Promise<string[]> {
  await using home = await actors.hospital('HospitalA1');
  await using away = await actors.hospital('HospitalB1');
  const said: string[] = [];
  for (const requestId of requestIds) {
    const mirrored = async () => (await away.chain.request(requestId)).legs;
    for (const deadline = Date.now() + ANSWER_MS; (await mirrored()).length < 1 && Date.now() < deadline; )
      await delay(100);
    const [atHome, atOwn] = [await home.chain.outcome(requestId), await away.chain.outcome(requestId)];
    const same = (await mirrored()).filter(
      ({ transactionId, conflict }) => transactionId === atHome.transactionId && conflict === undefined,
    );
    said.push(`${atHome.outcome.outcome}, ${atOwn.outcome.outcome}, mirrored ${same.length} times`);
  }
  return said;
}

import { isFree } from '@yilian/service';
import { expect, it } from 'vitest';
import { type Asked, answer, ask, decided, ONCE, outcomes } from '../fixture/queries.ts';
import { servesAgain } from '../fixture/waiting.ts';
import { halt, kill, living, type World } from '../fixture/world.ts';

const SLOW_MS = 120_000;
const AT_ONCE = 3;
const PENDING = { final: false };
/** Who is killed, and what is halted before, so that the queries cannot end before: the decision, or the proxies' part. */
type Fault = readonly [who: string, process: string, halted: readonly string[]];
const CHAIN = ['region-a/chain'];
const PROXIES = ['region-a/proxy/CommissionA', 'region-a/proxy/HospitalA2'];
export const EMBEDDED_FAULTS: readonly Fault[] = [
  ['the home relay', 'region-a/relay', PROXIES],
  ['the requesting relay', 'region-b/relay', CHAIN],
  ['a proxy', 'region-a/proxy/HospitalA1', PROXIES],
  ['the home Redis', 'region-a/redis', PROXIES],
  ['the requesting Redis', 'region-b/redis', CHAIN],
  ['the home chain', 'region-a/chain', CHAIN],
];
/** On Fabric a region goes on without one of its peers or contract servers, and comes back with its orderer. */
export const FABRIC_FAULTS: readonly Fault[] = [
  ['the peer of the home commission', 'region-a/peer/CommissionA/peer0', PROXIES],
  ['a contract server', 'region-a/contracts/HospitalA1', PROXIES],
  ['the home orderer', 'region-a/orderer/orderer.CommissionA', PROXIES],
];

/** Crashes while queries run: each query ends in exactly one outcome. */
export function faults(world: () => World, kinds: readonly Fault[]): void {
  it.each(kinds)('answers every query though %s is killed meanwhile', { timeout: SLOW_MS }, async (_, name, halted) => {
    const actors = await world().actors();
    const { practitioner } = await actors.doctor('li');
    const victim = await world().process(name);
    let asked: Asked[];
    {
      using held = new DisposableStack();
      for (const each of halted) held.use(halt(await world().process(each)));
      asked = await Promise.all(Array.from({ length: AT_ONCE }, () => ask(actors, practitioner)));
      if (halted === PROXIES) for (const { requestId } of asked) await decided(actors, requestId);
      for (const { requestId } of asked)
        expect(await actors.relay('region-b').status(requestId)).toMatchObject(PENDING);
      kill(victim);
    }
    world().story.asked.push(...asked.map(({ requestId }) => requestId));
    const answered = asked.map((each) => answer(actors, practitioner, each));
    expect(await outcomes(actors, await Promise.all(answered))).toEqual(Array(AT_ONCE).fill(ONCE));
    await servesAgain(world(), name, victim);
  });
}

/** After everything was killed at once, with a query on its way. */
export function resuming(world: () => World): void {
  it('starts again after everything was killed at once: on the same ports, with all it had taken', {
    timeout: SLOW_MS,
  }, async () => {
    await world().stopRecording();
    expect(await world().terminal.refusal(['request', '--doctor', 'li', '--patient', 'alice'])).toMatchObject({
      code: 'NOT_RUNNING',
    });
    const { regions } = await world().terminal.json<{ regions: { relay: string }[] }>(['up']);
    const actors = await world().actors();
    const { layout } = actors;
    expect(regions.map(({ relay }) => relay)).toEqual([layout.url('region-a/relay'), layout.url('region-b/relay')]);
    expect(layout.port('region-a/relay')).toBe(Number(layout.address('region-a/relay').split(':')[1]));
    const { practitioner } = await actors.doctor('li');
    const [asked = ''] = world().story.asked;
    const next = await answer(actors, practitioner, await ask(actors, practitioner));
    expect(await outcomes(actors, [asked, next])).toEqual([ONCE, ONCE]);
    await using open = await actors.hospital('HospitalA1');
    for (const grantId of world().story.grants.slice(1, 2))
      expect((await open.chain.grantEntry(grantId)).revokedAt).toBeUndefined();
    for (const requestId of world().story.requests)
      expect((await open.chain.outcome(requestId)).outcome.outcome).toBe('released');
  });
}

/** The end of it all. */
export function ending(world: () => World): void {
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

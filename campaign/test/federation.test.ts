import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '@yilian/testbed/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check, type Rule } from '../src/checker.ts';
import { blackout } from '../src/faults.ts';
import { askTwice, raceRevocation, underLoad } from '../src/load.ts';
import type { Program } from '../src/program.ts';
import { violationsAtRest } from '../src/rest.ts';
import { answered, type Cast, cast, killedAt, query, STEPS } from '../src/steps.ts';
import { fresh, World } from '../src/world.ts';
import { DOCTORED } from './doctored.ts';

/** Real programs, real Redis, real chains: only the machine is shared. Every test leaves the federation whole. */
const random = new Random(20_260_101);
const LOAD = { random, queries: 4, spreadMs: 600 };
let world: World;
let all: Cast;

beforeAll(async () => {
  world = await World.open({ logLevel: process.env['CAMPAIGN_LOG'] ?? 'silent' });
  all = await cast(world);
}, 60_000);
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 30_000);

describe('killed at a named step and started again, a query or deed still ends in exactly one way', () => {
  it.each(STEPS)(
    '$party at $step',
    async ({ run }) => {
      const kills = killsOf(world);
      await run(all);
      expect(killsOf(world)).toBe(kills + 1);
      await expectOneOutcomeEach();
    },
    90_000,
  );

  it('a step that is not passed fails the campaign', async () => {
    await world.home.relay.arm('no.such.step');
    await query(all, all.doctor, all.patient.pseudonym, 'released');
    await expect(world.home.relay.died('no.such.step', 10)).rejects.toMatchObject({ code: 'LATE' });
    await world.home.relay.arm('');
  });

  it.each([
    ['@yilian/relay', (party: string) => party !== 'proxy'],
    ['@yilian/proxy', (party: string) => party === 'proxy'],
  ] as const)('the list has every step that the source of %s names, and no other', async (name, own) => {
    const listed = STEPS.filter(({ party }) => own(party)).map(({ step }) => step);
    expect(listed.toSorted()).toEqual((await stepsIn(name)).toSorted());
  });
});

describe('under several queries at once, each ends in exactly one way', () => {
  it('when a chain is killed inside the commit of a block, and right after it', async () => {
    const { home, away } = world;
    for (const [homeStep, awayStep] of [
      ['block.writing', 'block.written'],
      ['block.written', 'block.writing'],
    ] as const) {
      await underLoad(all, LOAD, async () => {
        await Promise.all([
          killedAt(home.chain, homeStep, async () => undefined),
          killedAt(away.chain, awayStep, async () => undefined),
        ]);
      });
    }
    await expectOneOutcomeEach();
  }, 120_000);

  it('when every Redis is emptied', async () => {
    await underLoad(all, LOAD, async () => {
      for (const { redis } of [...world.regions, ...world.regions]) {
        await delay(random.integer(0, 300));
        await redis.flush();
      }
    });
    await expectOneOutcomeEach();
  }, 90_000);

  it('when every Redis is killed, and one comes back with its log and the other with nothing', async () => {
    const { home, away } = world;
    await underLoad(all, LOAD, async () => {
      await delay(random.integer(0, 500));
      await Promise.all([home.redis.kill(), away.redis.kill()]);
      await Promise.all([home.redis.start({ empty: true }), away.redis.start()]);
    });
    await expectOneOutcomeEach();
  }, 90_000);

  it('when everything is killed at once and comes back in any order', async () => {
    await underLoad(all, LOAD, async () => {
      await delay(300);
      await blackout(world, random);
    });
    await expectOneOutcomeEach();
  }, 120_000);

  it('when a grant is revoked meanwhile', async () => {
    await raceRevocation(all, random, 6);
    await expectOneOutcomeEach();
  }, 90_000);
});

describe('the same work done twice', () => {
  it.each([
    { side: 'home', step: 'decide.started', queue: 'decide', outcome: 'released' },
    { side: 'away', step: 'leg.verified', queue: 'legs', outcome: 'released' },
    { side: 'away', step: 'absence.declared', queue: 'legs', outcome: 'absent' },
  ] as const)(
    'by a relay that stood still at $step for longer than its lock, and the one that took its job over, is one outcome',
    async ({ side, step, queue, outcome }) => {
      const [first, second] = world[side].relays as readonly [Program, Program];
      const before = await jobsDoneBy(first, queue);
      await first.arm(step, 'freeze');
      const asked = query(all, all.doctor, outcome === 'absent' ? fresh() : all.patient.pseudonym, outcome);
      await first.frozen();
      await second.start();
      await expect.poll(() => jobsDoneBy(second, queue), { timeout: 15_000 }).toBeGreaterThan(0);
      first.thaw();
      await asked;
      await expect.poll(() => jobsDoneBy(first, queue), { timeout: 15_000 }).toBeGreaterThan(before);
      await second.stop();
      await expectOneOutcomeEach();
    },
    60_000,
  );

  it('because a request is handed in twice at once, and again to a relay that was started anew, is one request', async () => {
    const { people, doctor, patient } = all;
    await askTwice(all);
    const request = people.request(doctor, patient.pseudonym);
    const both = Promise.all([people.insist(request), people.insist(request)]);
    const [requestId] = await both;
    await world.away.relay.kill();
    await world.away.relay.start();
    expect(await people.insist(request)).toBe(requestId);
    await answered(people, requestId, 'released');
    await expectOneOutcomeEach();
  }, 60_000);
});

describe('what the campaign left behind', () => {
  it.each(Object.keys(DOCTORED) as Rule[])('would not have passed with %s', async (rule) => {
    const evidence = await world.evidence();
    expect(check(evidence)).toEqual([]);
    expect(check(DOCTORED[rule](evidence)).map((violation) => violation.rule)).toContain(rule);
  });
});

/** The federation is at rest, and nothing its ledgers and disks say is against the rules. */
async function expectOneOutcomeEach(): Promise<void> {
  expect(await violationsAtRest(world)).toEqual([]);
}

function killsOf({ regions }: World): number {
  const programs = regions.flatMap(({ chain, relays, proxies }) => [chain, ...relays, ...proxies]);
  return programs.reduce((sum, { kills }) => sum + kills, 0);
}

/** How many jobs of a queue this relay has carried through since it was started. */
async function jobsDoneBy({ door }: Program, queue: string): Promise<number> {
  const metrics = await (await fetch(`${door.url}/metrics`)).text();
  return Number(
    new RegExp(`^yilian_relay_jobs_total{queue="${queue}",result="done"} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0,
  );
}

/** The steps a program's source names. */
async function stepsIn(name: string): Promise<string[]> {
  const folder = new URL('.', import.meta.resolve(name));
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts'));
  const sources = await Promise.all(files.map((file) => readFile(new URL(file, folder), 'utf8')));
  const steps = sources.flatMap((source) => [...source.matchAll(/failpoint\('([^']+)'\)/g)].map(([, step]) => step!));
  return [...new Set(steps)];
}

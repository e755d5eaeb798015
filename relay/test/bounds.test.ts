import { documentId, Request } from '@yilian/protocol';
import type { RegionalChain } from '@yilian/regional-chain';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Absences, type AbsencesOptions } from '../src/absences.ts';
import type { RequestStatus } from '../src/api.ts';
import { Decisions, type DecisionsOptions } from '../src/decisions.ts';
import { Legs, type LegsOptions } from '../src/legs.ts';
import { Metrics } from '../src/metrics.ts';
import { Queues } from '../src/queues.ts';
import { Quota } from '../src/quota.ts';
import { openRedis } from '../src/redis.ts';
import type { Relay } from '../src/relay.ts';
import { Scanner, type ScannerOptions } from '../src/scanner.ts';
import { Signals } from '../src/signals.ts';
import { FEDERATION, Federation, type Region, until } from './fixture/federation.ts';
import { hash, Practitioner } from './fixture/people.ts';
import { patientOf, reached, submit } from './fixture/steps.ts';

/** How much a relay takes on, and who comes first. */
let federation: Federation;
let north: Region;
let south: Region;
let doctor: Practitioner;
let other: Practitioner;
let another: Practitioner;
const connections: Redis[] = [];

beforeAll(async () => {
  federation = await Federation.open({ decisionsPerOrganisation: 2, decisionsAtOnce: 1 });
  ({ north, south } = federation);
  await federation.settle();
  doctor = await Practitioner.register(south);
  other = await Practitioner.register(south, south.network.mspIds[2]);
  another = await Practitioner.register(south, south.commission);
});

afterAll(async () => {
  for (const connection of connections) connection.disconnect();
  await federation?.[Symbol.asyncDispose]();
});

function queue(region: Region, name: string): Queue {
  const connection = new Redis({ path: new URL(region.redis.url).pathname, maxRetriesPerRequest: null });
  connections.push(connection);
  return new Queue(name, { connection, prefix: `yilian:${FEDERATION}:${region.name}` });
}

describe('the decide queue', () => {
  it('lets an organisation wait only so often, and lets organisations take turns', async () => {
    const patients = await Promise.all([1, 2, 3, 4].map(() => patientOf(federation, north)));
    const [first, second, third, fourth] = patients.map(({ pseudonym }) => pseudonym);
    const decide = queue(north, 'decide');
    const held = north.network.hold();
    // The one place there is.
    await submit(south, another.ask(fourth ?? ''));
    const places = new Redis({ path: new URL(north.redis.url).pathname });
    connections.push(places);
    const quota = `yilian:${FEDERATION}:north:quota:south/${south.commission}`;
    await until(async () => expect(await places.zcard(quota)).toBe(1));
    const requests = [doctor.ask(first ?? ''), doctor.ask(second ?? ''), other.ask(third ?? '')];
    const accepted = [];
    for (const [index, request] of requests.entries()) {
      accepted.push(await submit(south, request));
      await until(async () => {
        const { active = 0, prioritized = 0 } = await decide.getJobCounts('active', 'prioritized');
        expect(active + prioritized).toBe(index + 1);
      });
    }
    const { requestId: late } = await submit(south, doctor.ask(fourth ?? ''));
    await until(async () => {
      const { body } = await south.call<RequestStatus>('GET', `/v1/requests/${late}`);
      expect(body.legs).toMatchObject([{ state: 'pending', code: 'BUSY' }]);
    });
    held[Symbol.dispose]();
    for (const { requestId } of [...accepted, { requestId: late }]) await reached(south, requestId, 'denied');
    const decided = await Promise.all(
      accepted.map(async ({ requestId }) => (await north.chain.outcome(requestId)).outcome.decidedAt),
    );
    const [one = 0, two = 0, turn = 0] = decided;
    expect(one).toBeLessThan(turn);
    expect(turn).toBeLessThan(two);
    await decide.close();
  });
});

describe('an urgent question', () => {
  const ROUTINE = 50;
  const log = pino({ level: 'silent' });
  const [metrics, options] = [new Metrics(), { region: 'north', longPollMs: 1, log }];
  let queues: Queues;
  /** Services of a relay whose queues nobody works on; only what stands before the queues is asked for. */
  let own: { readonly quota: Quota; readonly queues: Queues; readonly signals: Signals };
  let close: () => Promise<void>;

  beforeEach(() => {
    const redis = openRedis(north.redis.url, `bounds-${hash()}`, log);
    queues = new Queues(redis, metrics, log, 1000);
    own = { quota: new Quota(redis, ROUTINE + 1), queues, signals: new Signals(redis) };
    close = async () => {
      await queues.close();
      await redis[Symbol.asyncDispose]();
    };
  });

  afterEach(() => close());

  type Question = ReturnType<Practitioner['ask']>;
  const idOf = ({ document }: Question) => documentId(Request.type, document);
  const routine = () => Array.from({ length: ROUTINE }, () => doctor.ask(hash()));
  const urgent = (by = doctor) => by.ask(hash(), { priority: 'urgent' });

  it('of whichever organisation is decided before fifty routine ones of one', async () => {
    const chain = {} as RegionalChain;
    const decisions = new Decisions({ ...options, ...own, metrics, chain } as unknown as DecisionsOptions);
    const ask = (by: Practitioner, question: Question) => decisions.answer(question, by.keyCertificate, south.entry());
    for (const question of routine()) await ask(doctor, question);
    const first = [urgent(doctor), urgent(other)] as const;
    for (const [index, by] of [doctor, other].entries()) await ask(by, first[index]!);
    const jobs = await queues.of('decide').getPrioritized();
    expect(jobs).toHaveLength(ROUTINE + first.length);
    expect(jobs.slice(0, 2).map(({ data }) => idOf((data as { request: Question }).request))).toEqual(first.map(idOf));
  });

  it('sets out before fifty routine ones', async () => {
    const legs = new Legs({ queues } as unknown as LegsOptions);
    const first = urgent();
    for (const question of [...routine(), first]) await legs.start(idOf(question), 'north', question);
    const jobs = await queues.of('legs').getPrioritized();
    expect(jobs).toHaveLength(ROUTINE + 1);
    expect(jobs[0]?.data).toMatchObject({ requestId: idOf(first) });
  });

  it('sets out first also when the scanner finds it again, and when nobody is known to hold the patient', async () => {
    const entries = [...routine(), urgent(), urgent()].map((signed, index) => {
      return { requestId: idOf(signed), signed, homes: index === ROUTINE ? [] : ['north'] };
    });
    const scanner = new Scanner({
      ...options,
      region: 'south',
      chain: { pending: async () => entries, waiting: async () => [] },
      directory: { refresh: async () => undefined },
      heights: { due: false },
      answers: { has: async () => false },
      legs: new Legs({ queues } as unknown as LegsOptions),
      absences: new Absences({ queues } as unknown as AbsencesOptions),
      queues,
      metrics,
      neighbours: { greet: async () => undefined },
      duties: new Map(),
    } as unknown as ScannerOptions);
    await scanner.scan();
    const jobs = await queues.of('legs').getPrioritized();
    expect(jobs).toHaveLength(entries.length);
    expect(jobs.slice(0, 2).map(({ name, data }) => [name, (data as { requestId: string }).requestId])).toEqual([
      ['absence', entries[ROUTINE]!.requestId],
      ['leg', entries[ROUTINE + 1]!.requestId],
    ]);
  });
});

describe('the door for questions', () => {
  const answers = async (relay: Relay, requests: readonly unknown[]) => {
    const sent = requests.map((request) =>
      relay.app.inject({ method: 'POST', url: '/v1/requests', payload: { request } }),
    );
    return (await Promise.all(sent)).map((answer) => [answer.statusCode, answer.json<{ code?: string }>().code]);
  };

  it('lets one organisation submit only so many at a time, others meanwhile, and all of them in the end', async () => {
    const narrow = await federation.buildRelay(south, { submissionsPerOrganisation: 1 });
    try {
      const [accepted, busy] = [
        [202, undefined],
        [429, 'BUSY'],
      ] as const;
      expect(await answers(narrow, [doctor.ask(hash())])).toEqual([accepted]);
      expect(await answers(narrow, [other.ask(hash())])).toEqual([accepted]);
      const three = [doctor.ask(hash()), doctor.ask(hash()), other.ask(hash())];
      expect(await answers(narrow, three)).toEqual([accepted, busy, accepted]);
      const altered = { ...doctor.ask(hash()), document: doctor.ask(hash()).document };
      expect(await answers(narrow, [altered])).toEqual([[401, 'SIGNATURE_INVALID']]);
      expect(await answers(narrow, [three[1]])).toEqual([accepted]);
    } finally {
      await narrow.close();
    }
  });

  it('takes nothing while the legs it has room for are queued, and goes on when they have set out', async () => {
    const legs = queue(south, 'legs');
    await legs.pause();
    const narrow = await federation.buildRelay(south, { legs: 1 });
    try {
      const [first, second] = [doctor.ask(hash()), doctor.ask(hash())];
      expect(await answers(narrow, [first])).toEqual([[202, undefined]]);
      expect(await answers(narrow, [second])).toEqual([[429, 'BUSY']]);
      await legs.resume();
      await until(async () => expect(await answers(narrow, [second])).toEqual([[202, undefined]]));
    } finally {
      await narrow.close();
      await legs.close();
    }
  });
});

import { readdir, readlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Network } from '../../src/network/index.ts';
import { findEngine, openScheme, placesOf, SCHEMES, schemeOf } from '../../src/schemes/index.ts';
import { children, LIMIT_MS, open, tamper, timed } from './deployments.ts';

const engine = await findEngine('embedded');
const RTT_MS = 20;
/** A timer may fire a millisecond early. */
const SLACK_MS = 2;

/**
 * Round trips between the places that a query cannot do without, by who is asked about whom: somebody at the capital by a
 * doctor there; of the other place by a doctor there; of the capital by a doctor of the other place; and the other way.
 */
const FLOORS: Readonly<Record<string, readonly [number, number, number, number]>> = {
  federation: [0, 0, 1, 1],
  // Submission and delivery half each where the leader is not, replication 1, and the shares' way back half.
  national: [1, 2, 2, 2],
  'national-remote': [2, 3, 3, 3],
  // The question, and the answer.
  'national-thin': [0, 2, 2, 0],
  broadcast: [0, 0, 1, 1],
  'central-index': [0, 1, 2, 1],
  // Endorsement 1, submission half, the shares' way back half.
  'multi-channel': [0, 0, 2, 2],
  // Index, receipt (endorsement, replication, and submission and delivery where the leader is not), the leg, the body.
  'federation-naive': [0, 1, 6, 4],
  'federation-sequential': [0, 1, 2, 1],
  'federation-remote-index': [0, 1, 2, 1],
  'federation-fetched-bodies': [0, 0, 2, 2],
  // A connection for the leg.
  'federation-cold-connections': [0, 0, 2, 2],
  'no-chain': [0, 0, 1, 1],
};

afterEach(() => void vi.restoreAllMocks());

describe('Every scheme', () => {
  it('has a floor here, and no other name is one', () => {
    expect(Object.keys(FLOORS).toSorted()).toEqual([...SCHEMES].toSorted());
    expect(() => schemeOf('toString', 4)).toThrow(expect.objectContaining({ code: 'IMPOSSIBLE' }));
  });

  it('says what it is in two languages, and who sees what', () => {
    for (const id of SCHEMES) {
      const scheme = schemeOf(id, 4);
      expect(scheme.titleZh + scheme.aboutZh).toMatch(/\p{Script=Han}/u);
      expect(scheme.metadataReaders).toBeLessThanOrEqual(scheme.organisations);
      expect(scheme.queryWitnesses).toBeLessThanOrEqual(scheme.organisations);
    }
  });
});

describe.each(Object.entries(FLOORS))('%s', (id, floors) => {
  it('answers right inside a region and across, cold or warm, no sooner than its messages can be there', async () => {
    const { deployment, stack } = await open(engine, id, RTT_MS);
    await using _ = stack;
    expect(deployment.scheme).toMatchObject({ id });
    for (const [index, kind] of (['intra', 'intra', 'cross', 'cross'] as const).entries()) {
      const temperature = index % 2 === 0 ? 'cold' : 'warm';
      const { latencyMs, phases } = await timed(deployment, kind, index % 2, temperature);
      expect(latencyMs, `${kind} ${index % 2}`).toBeGreaterThanOrEqual((floors[index] ?? 0) * RTT_MS - SLACK_MS);
      const sum = Object.values(phases).reduce((total, each) => total + each, 0);
      expect(sum).toBeLessThanOrEqual(latencyMs);
    }
  }, 60_000);
});

describe('A deployment', () => {
  it('answers without any distance, publishes, and leaves nothing behind', async () => {
    const before = await traces();
    const { deployment, stack } = await open(engine, 'national', 0);
    for (const kind of ['intra', 'cross'] as const) await timed(deployment, kind, 0, 'warm');
    const bytes = await deployment.chainBytes();
    await deployment.publish(0, 5000);
    expect(await deployment.chainBytes()).toBeGreaterThan(bytes);
    const [folder = ''] = (await traces()).folders;
    expect(await readdir(folder)).toContain('genesis.json');
    await stack[Symbol.asyncDispose]();
    expect(await traces()).toEqual(before);
    await expect(readdir(folder)).rejects.toMatchObject({ code: 'ENOENT' });
  }, 60_000);

  it('answers right beside as many other records as it is told to hold', async () => {
    const RECORDS = 1200;
    const { deployment: empty, stack: first } = await open(engine, 'national', 0);
    await using _first = first;
    const { deployment: full, stack: second } = await open(engine, 'national', 0, RECORDS);
    await using _second = second;
    // A record and its line in its patient's list.
    const leastBytes = RECORDS * 1200;
    expect((await full.chainBytes()) - (await empty.chainBytes())).toBeGreaterThan(leastBytes);
    for (const kind of ['intra', 'cross'] as const) await timed(full, kind, 0, 'cold');
  }, 60_000);

  it('takes a body that was tampered with for a wrong answer, and none at all for a missing one', async () => {
    const { deployment, stack } = await open(engine, 'federation', 0);
    await using _ = stack;
    await timed(deployment, 'cross', 0, 'warm');
    const tampering = tamper();
    const question = { kind: 'cross', patient: 0, temperature: 'warm' } as const;
    await expect(deployment.ask(question, AbortSignal.timeout(LIMIT_MS))).rejects.toMatchObject({
      code: 'WRONG_ANSWER',
    });
    tampering.mockRejectedValue(new TypeError('fetch failed'));
    await expect(deployment.ask(question, AbortSignal.timeout(LIMIT_MS))).rejects.toMatchObject({
      code: 'MISSING_ANSWER',
    });
  }, 60_000);

  it('ends a query with the reason of its signal', async () => {
    const { deployment, stack } = await open(engine, 'federation', RTT_MS);
    await using _ = stack;
    const question = { kind: 'cross', patient: 0, temperature: 'warm' } as const;
    await deployment.prepare([question]);
    await expect(deployment.ask(question, AbortSignal.timeout(RTT_MS / 2))).rejects.toMatchObject({
      name: 'TimeoutError',
    });
  }, 60_000);

  it('is refused for regions that cannot be', async () => {
    await using network = await Network.open({
      places: placesOf(2),
      distances: { rttMs: 0, jitter: 0, mbit: 1000, loss: 0 },
      random: () => 0.5,
    });
    const options = { engine, rttMs: 0, cutMs: 5, network, seed: '', patients: 1, sizeBytes: () => 1 };
    for (const regions of [1, 9, 2.5])
      await expect(openScheme('federation', { ...options, regions })).rejects.toMatchObject({ code: 'IMPOSSIBLE' });
  });
});

/** What a deployment would leave: Redis servers of this process, by the folders they work in, and listening sockets. */
async function traces() {
  const servers = (await children()).get('redis-server') ?? [];
  const folders = await Promise.all(servers.map(async (pid) => dirname(await readlink(`/proc/${pid}/cwd`))));
  const listening = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap').length;
  return { folders, listening };
}

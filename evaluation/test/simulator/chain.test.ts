import { describe, expect, test } from 'vitest';
import { Chain, type Cut } from '../../src/simulator/chain.ts';
import { Proxies } from '../../src/simulator/proxies.ts';
import { ground, only } from './fixture.ts';

const NEVER: Cut = { ms: 1e6, transactions: 1e6, bytes: 1e9 };

describe('a block ends', () => {
  test.each<{ when: string; cut: Cut; expected: number[]; blocks: number }>([
    { when: 'so long after its first transaction', cut: { ...NEVER, ms: 30 }, expected: [30, 30, 30], blocks: 1 },
    {
      when: 'when it has so many transactions',
      cut: { ...NEVER, ms: 30, transactions: 2 },
      expected: [10, 10, 50],
      blocks: 2,
    },
    { when: 'when it has so many bytes', cut: { ...NEVER, ms: 30, bytes: 1500 }, expected: [10, 10, 50], blocks: 2 },
  ])('$when', ({ cut, expected, blocks }) => {
    const { events, ...rest } = ground(only({}));
    const chain = new Chain({ events, ...rest }, { orderers: [0], peers: [0], cut });
    const committed: number[] = [];
    for (const atMs of [0, 10, 20])
      events.after(atMs, () =>
        chain.call({ from: 0, endorsers: [0], sizeBytes: 1000, committed: () => committed.push(events.now) }),
      );
    events.run();
    // After a block that was full the third has a time of its own.
    expect(committed).toEqual(expected);
    expect(chain.peers[0]?.blocks?.tally.served).toBe(blocks);
  });
});

describe('a client', () => {
  test('far from its gateway learns of a quick commit after three round trips, of a slow one when it is there', () => {
    for (const [ms, expected] of [
      [0, 90],
      // Endorsement, half a round trip each way, and the wait.
      [50, 30 + 15 + 50 + 15],
    ] as const) {
      const { events, ...rest } = ground(only({}));
      const chain = new Chain({ events, ...rest }, { orderers: [1], peers: [1], cut: { ...NEVER, ms } });
      let committedAt = 0;
      let acceptedAt = 0;
      chain.call({
        from: 0,
        endorsers: [0],
        sizeBytes: 0,
        accepted: () => {
          acceptedAt = events.now;
        },
        committed: () => {
          committedAt = events.now;
        },
      });
      events.run();
      expect([acceptedAt, committedAt]).toEqual([60, expected]);
    }
  });

  test('waits for all whom the policy names, and only then submits', () => {
    const { events, ...rest } = ground(only({ endorseMs: 6 }));
    const chain = new Chain({ events, ...rest }, { orderers: [0], peers: [0, 1], cut: { ...NEVER, transactions: 1 } });
    let committedAt = 0;
    chain.call({
      from: 0,
      endorsers: [0, 1],
      sizeBytes: 0,
      committed: () => {
        committedAt = events.now;
      },
    });
    events.run();
    expect(committedAt).toBe(36);
  });
});

test('a majority of the orderers keeps a block before any peer has it, and every peer validates it', () => {
  const { events, ...rest } = ground(only({ orderBlockMs: 2, validateMs: 5, validateBlockMs: 3 }));
  const chain = new Chain(
    { events, ...rest },
    { orderers: [0, 1, 2], peers: [0, 1], cut: { ...NEVER, transactions: 1 } },
  );
  const seen: [number, number][] = [];
  chain.call({
    from: 0,
    endorsers: [0],
    sizeBytes: 0,
    watched: [1, 0],
    seen: (position) => seen.push([position, events.now]),
  });
  events.run();
  // Written by the leader, sent, written by a follower, acknowledged; validated here, and there half a round trip later.
  expect(seen).toEqual([
    [1, 2 + 15 + 2 + 15 + 8],
    [0, 2 + 15 + 2 + 15 + 15 + 8],
  ]);
  expect(rest.machines.all.filter(({ role }) => role === 'peer').map(({ blocks }) => blocks?.tally.workMs)).toEqual([
    8, 8,
  ]);
});

test('a block goes to each place once, whose peers pass it on', () => {
  const { events, links, ...rest } = ground(only({}));
  const chain = new Chain(
    { events, links, ...rest },
    { orderers: [0, 2, 3], peers: [1, 1, 1, 2], cut: { ...NEVER, transactions: 1 } },
  );
  chain.call({ from: 0, endorsers: [0], sizeBytes: 1000 });
  events.run();
  // To the endorser and back, to two orderers, and to the place without one.
  expect(links.bytesBetween).toBe(5000);
});

test('the signatures of a block are checked on all cores of a machine, the block is written once', () => {
  const { machines } = ground(only({}), { cores: 4 });
  expect(machines.blockMs(3, 5, 8)).toBe(3 + (5 * 8) / 4);
});

test('a proxy begins when it has been asked and has seen the commit; a threshold of them is enough, and fewer are not', () => {
  const { events, ...rest } = ground(only({ reencryptMs: 4 }));
  const proxies = new Proxies({ events, ...rest }, 0, 3, 2);
  let enoughAt: number | undefined;
  const { ordered, seen } = proxies.shares(() => {
    enoughAt = events.now;
  });
  events.after(1, () => seen(2));
  events.after(3, ordered);
  events.after(8, () => {
    expect(enoughAt).toBeUndefined();
    seen(0);
  });
  events.after(9, () => seen(1));
  events.run();
  expect(enoughAt).toBe(12);
  expect(rest.machines.all.map(({ work }) => work.tally.sojournMs)).toEqual([4, 4, 4]);
});

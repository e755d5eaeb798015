import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headerBytes, nextCommitHash } from '../src/embedded/block.ts';
import { openEmbedded } from '../src/embedded/index.ts';
import {
  decodeReadWriteSet,
  encodeReadWriteSet,
  encodeUpdates,
  type NamespaceSet,
  type Updates,
} from '../src/embedded/rwset.ts';
import { Simulation } from '../src/embedded/simulation.ts';
import { StateLock } from '../src/embedded/state-lock.ts';
import { Store } from '../src/embedded/store.ts';
import { ConformanceContract } from './conformance-contract.ts';
import { CHANNEL, clientOf, configOf, gatewayOf, POLICIES } from './fixture/embedded.ts';

const VALID = 0;
const MVCC = 11;
const PHANTOM = 12;

const version = fc.record({ block: fc.nat(), position: fc.nat(1000) });
const key = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => text.isWellFormed());
const read = fc.record({ key, version: fc.option(version) });
const namespaceSet: fc.Arbitrary<NamespaceSet> = fc.record({
  namespace: fc.string({ minLength: 1 }),
  reads: fc.array(read),
  ranges: fc.array(fc.record({ start: key, end: key, exhausted: fc.boolean(), reads: fc.array(read) })),
  writes: fc.array(fc.record({ key, value: fc.option(fc.uint8Array({ minLength: 1 })) })),
  unsupported: fc.constant(false),
});

describe('A read-write set', () => {
  it('is the same after it was written and read', () => {
    fc.assert(
      fc.property(fc.array(namespaceSet), (sets) => {
        const decoded = decodeReadWriteSet(encodeReadWriteSet(sets));
        const bytes = (all: readonly NamespaceSet[]) =>
          all.map((set) => ({
            ...set,
            writes: set.writes.map((one) => ({ ...one, value: one.value && Buffer.from(one.value) })),
          }));
        expect(bytes(decoded)).toEqual(bytes(sets));
      }),
      { numRuns: 50 },
    );
  });

  it('lists keys in the order of their bytes, each once', () => {
    const store = new Store({ folder: ':memory:', network: 'n', channel: 'c' });
    const simulation = new Simulation(store, 'tx');
    for (const name of ['\u{1f600}', '\uff00', 'b', 'a', 'b']) {
      simulation.put('chaincode', name, Buffer.from('v'));
      simulation.get('chaincode', name);
    }
    const [set] = decodeReadWriteSet(simulation.readWriteSet());
    expect(set?.writes.map((write) => write.key)).toEqual(['a', 'b', '\uff00', '\u{1f600}']);
    expect(set?.reads.map((one) => one.key)).toEqual(['a', 'b', '\uff00', '\u{1f600}']);
    expect(() => simulation.get('chaincode', 'a')).toThrow('the transaction is over');
    store.close();
  });

  it('of a range read in part ends at the row that was read ahead', () => {
    const store = new Store({ folder: ':memory:', network: 'n', channel: 'c' });
    const names = Array.from({ length: 150 }, (_, i) => `k${String(i).padStart(3, '0')}`);
    const updates = new Map([
      [
        'chaincode',
        new Map(names.map((name, position) => [name, { value: Buffer.from('v'), version: { block: 0, position } }])),
      ],
    ]);
    const block = { number: 0, hash: new Uint8Array(1), header: new Uint8Array(), metadata: new Uint8Array() };
    store.append({
      block,
      transactions: [],
      updates,
      history: [],
      commitHash: new Uint8Array(),
      at: 0,
      definition: '',
    });
    const rangeAfter = (count: number) => {
      const simulation = new Simulation(store, 'tx');
      const next = simulation.range('chaincode', 'k', 'l');
      for (let i = 0; i < count; i += 1) next();
      const range = decodeReadWriteSet(simulation.readWriteSet())[0]?.ranges[0];
      return { end: range?.end, exhausted: range?.exhausted, reads: range?.reads.length };
    };
    expect(rangeAfter(1)).toEqual({ end: 'k100', exhausted: false, reads: 101 });
    expect(rangeAfter(100)).toEqual({ end: 'k100', exhausted: false, reads: 101 });
    expect(rangeAfter(101)).toEqual({ end: 'l', exhausted: true, reads: 150 });
    store.close();
  });
});

describe('Hashes', () => {
  it('are over the header in DER', () => {
    const hex = (number: number) =>
      Buffer.from(headerBytes({ number, previousHash: Buffer.of(1), dataHash: Buffer.of(2) })).toString('hex');
    expect(hex(0)).toBe('3009020100040101040102');
    expect(hex(127)).toBe('300902017f040101040102');
    expect(hex(128)).toBe('300a02020080040101040102');
    expect(hex(65536)).toBe('300b0203010000040101040102');
  });

  it('chain verdicts and writes in the bytes Fabric has for them', () => {
    const updates: Updates = new Map([
      ['ns2', new Map([['k', { value: null as Uint8Array | null, version: { block: 0, position: 300 } }]])],
      [
        'ns1',
        new Map([
          ['b', { value: Buffer.from('2'), version: { block: 7, position: 1 } }],
          ['a', { value: Buffer.from('1'), version: { block: 7, position: 0 } }],
        ]),
      ],
    ]);
    const bytes = Buffer.from(encodeUpdates(updates));
    expect(bytes.toString('hex')).toBe(
      ['0a100a036e73311a01612a013132030107', '00'].join('') +
        ['0a0c1a01622a01323204', '01070101'].join('') +
        ['0a100a036e73321a016b20013204', '0002012c'].join(''),
    );
    expect(nextCommitHash(Uint8Array.of(0), bytes, new Uint8Array())).toHaveLength(32);
  });
});

describe('The state lock', () => {
  it('lets readers in together, writers alone, and nobody overtake', async () => {
    const lock = new StateLock();
    const log: string[] = [];
    const enter = async (name: string, write: boolean) => {
      const release = await (write ? lock.write() : lock.read());
      log.push(name);
      return release;
    };
    const [r1, r2] = await Promise.all([enter('r1', false), enter('r2', false)]);
    const waiting = [enter('w1', true), enter('r3', false), enter('w2', true)] as const;
    r1();
    r1();
    await Promise.resolve();
    expect(log).toEqual(['r1', 'r2']);
    r2();
    (await waiting[0])();
    (await waiting[1])();
    (await waiting[2])();
    expect(log).toEqual(['r1', 'r2', 'w1', 'r3', 'w2']);
  });
});

describe('Verdicts', () => {
  const names = ['a', 'b', 'c', 'd'] as const;
  const name = fc.constantFrom(...names);
  const operation = fc.oneof(
    fc.record({ fn: fc.constant('put' as const), key: name }),
    fc.record({ fn: fc.constant('append' as const), key: name }),
    fc.record({ fn: fc.constant('remove' as const), key: name }),
    fc.record({ fn: fc.constant('countInto' as const), key: name, start: name, end: name }),
  );
  type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
  type State = Map<string, { value: string; version: string }>;

  const inRange = (op: Operation, candidate: string) =>
    op.fn === 'countInto' && candidate >= op.start && candidate < op.end;
  const view = (state: State, op: Operation) =>
    names
      .filter((one) => inRange(op, one))
      .map((one) => state.get(one)?.version)
      .join();

  it('are those of a plain model, whatever is endorsed on one state and cut into whichever blocks', async () => {
    const chaincodes = [{ name: 'any', version: '1', endorsement: POLICIES.any, contracts: [ConformanceContract] }];
    const config = configOf(chaincodes);
    const member = clientOf('AMSP');
    await fc.assert(
      fc.asyncProperty(
        fc.array(name),
        fc.array(operation, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (initial, operations, maxCount) => {
          await using node = await openEmbedded(config, { folder: ':memory:', batch: { maxCount } });
          const contract = gatewayOf(node.client(), member).getNetwork(CHANNEL).getContract('any');
          const state: State = new Map();
          for (const one of new Set(initial)) {
            await contract.submitTransaction('put', one, 'i');
            state.set(one, { value: 'i', version: `initial ${one}` });
          }
          const atEndorsement: State = new Map(state);
          const transactions = [];
          for (const op of operations) {
            const args = {
              put: [op.key, 'p'],
              append: [op.key, 'x'],
              remove: [op.key],
              countInto: 'start' in op ? [op.start, op.end, op.key] : [],
            };
            transactions.push(await contract.newProposal(op.fn, { arguments: args[op.fn] }).endorse());
          }
          const commits = [];
          for (const transaction of transactions) commits.push(await transaction.submit());
          let block = -1n;
          let inBlock = new Set<string>();
          for (const [i, op] of operations.entries()) {
            const status = await (commits[i] as (typeof commits)[0]).getStatus();
            if (status.blockNumber !== block) inBlock = new Set();
            block = status.blockNumber;
            const old = atEndorsement.get(op.key);
            const stale = inBlock.has(op.key) || state.get(op.key)?.version !== old?.version;
            const expected =
              op.fn === 'append' && stale
                ? MVCC
                : op.fn === 'countInto' && view(state, op) !== view(atEndorsement, op)
                  ? PHANTOM
                  : VALID;
            expect(status.code).toBe(expected);
            if (expected !== VALID) continue;
            inBlock.add(op.key);
            const count = [...atEndorsement.keys()].filter((candidate) => inRange(op, candidate)).length;
            const value = { put: 'p', append: `${old?.value ?? ''}x`, countInto: String(count), remove: '' }[op.fn];
            if (op.fn === 'remove') state.delete(op.key);
            else state.set(op.key, { value, version: `operation ${i}` });
          }
          for (const one of names) {
            const value = Buffer.from(await contract.evaluateTransaction('get', one)).toString();
            expect(value).toBe(state.get(one)?.value ?? '');
          }
          await node.verifyChain();
        },
      ),
      { numRuns: 25 },
    );
  });
});

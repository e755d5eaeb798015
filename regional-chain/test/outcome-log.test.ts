import {
  consistencyProof,
  inclusionProof,
  merkleRoot,
  type Outcome,
  requireConsistency,
  rootFromInclusion,
} from '@yilian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OutcomeLog, outcomeEntry, outcomeLeaf } from '../src/index.ts';

const leaves = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 70 });
const logOf = (hashes: readonly Uint8Array[]): OutcomeLog => {
  const log = new OutcomeLog();
  for (const hash of hashes) log.append(hash);
  return log;
};

describe('the log of outcomes', () => {
  test('has the roots and proofs of RFC 9162 for every size it ever had', () => {
    fc.assert(
      fc.property(leaves, fc.nat(), fc.nat(), (hashes, a, b) => {
        const log = logOf(hashes);
        const second = 1 + (a % hashes.length);
        const first = 1 + (b % second);
        const then = hashes.slice(0, second);
        expect(log.root(second)).toEqual(merkleRoot(then));
        expect(log.consistencyProof(first, second)).toEqual(consistencyProof(then, first));
        expect(log.inclusionProof(first - 1, second)).toEqual(inclusionProof(then, first - 1));
      }),
    );
  });

  test('proves what the verifiers accept', () => {
    const hashes = Array.from({ length: 1300 }, (_, index) => new Uint8Array(32).fill(index % 251));
    const log = logOf(hashes);
    for (const first of [1, 2, 1023, 1024, 1025, 1299]) {
      const proof = log.consistencyProof(first);
      requireConsistency({ size: first, root: log.root(first) }, { size: 1300, root: log.root() }, proof);
      const path = log.inclusionProof(first);
      expect(rootFromInclusion(hashes[first]!, first, 1300, path)).toEqual(log.root());
    }
  });

  test('knows the empty root, and no size or leaf it has not got', () => {
    const log = new OutcomeLog();
    expect(log.size).toBe(0);
    expect(log.root()).toEqual(merkleRoot([]));
    for (const wrong of [() => log.root(1), () => log.root(-1), () => log.root(0.5)]) expect(wrong).toThrow(RangeError);
    for (const wrong of [
      () => log.consistencyProof(1),
      () => log.inclusionProof(0),
      () => log.append(new Uint8Array(31)),
    ])
      expect(wrong).toThrow(RangeError);
    log.append(new Uint8Array(32));
    for (const wrong of [() => log.consistencyProof(0), () => log.consistencyProof(2, 1), () => log.inclusionProof(1)])
      expect(wrong).toThrow(RangeError);
  });
});

describe('a leaf', () => {
  const outcome = { region: 'region-a', outcome: 'denied', decidedAt: 5, scopes: [] } as unknown as Outcome;
  const transactionId = 'a'.repeat(64);

  test('does not depend on the order of the outcome’s members, and on everything else', () => {
    const turned = Object.fromEntries(Object.entries(outcome).toReversed()) as unknown as Outcome;
    expect(outcomeLeaf(transactionId, turned)).toEqual(outcomeLeaf(transactionId, outcome));
    expect(outcomeLeaf('b'.repeat(64), outcome)).not.toEqual(outcomeLeaf(transactionId, outcome));
    expect(outcomeLeaf(transactionId, { ...outcome, decidedAt: 6 })).not.toEqual(outcomeLeaf(transactionId, outcome));
  });

  test('is the hash of transaction id, zero byte and outcome hash', () => {
    const entry = outcomeEntry(transactionId, outcome);
    expect([entry.length, new TextDecoder().decode(entry.subarray(0, 64)), entry[64]]).toEqual([97, transactionId, 0]);
  });
});

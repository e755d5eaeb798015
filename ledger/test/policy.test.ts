import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Policy,
  type Principal,
  parsePolicy,
  principalsOf,
  type Role,
  satisfies,
  VerifyError,
} from '../src/verify.ts';

function signer(mspId: string, ...roles: Role[]): Principal {
  return { mspId, roles: new Set<Role>(['member', ...roles]) };
}
const [a, b, c] = ['A', 'B', 'C'].map((mspId) => signer(mspId, 'peer')) as [Principal, Principal, Principal];

function holds(text: string, ...signers: Principal[]): boolean {
  return satisfies(parsePolicy(text), signers);
}

function failure(text: string): string {
  try {
    parsePolicy(text);
    return 'parsed';
  } catch (error) {
    return error instanceof VerifyError ? `${error.code} ${error.message}` : String(error);
  }
}

describe('a policy text', () => {
  it('is read as Fabric reads it', () => {
    expect(parsePolicy("OutOf(2, 'A.peer', AND('B.peer',\"C.member\"), or('D-1.x.admin' ))")).toEqual({
      n: 2,
      rules: [
        { mspId: 'A', role: 'peer' },
        {
          n: 2,
          rules: [
            { mspId: 'B', role: 'peer' },
            { mspId: 'C', role: 'member' },
          ],
        },
        { n: 1, rules: [{ mspId: 'D-1.x', role: 'admin' }] },
      ],
    });
    expect(parsePolicy("  OR (\n'A.orderer') ")).toEqual({ n: 1, rules: [{ mspId: 'A', role: 'orderer' }] });
  });

  it.each([
    ['', 0],
    ['A.peer', 0],
    ["'A.peer'", 0],
    ["'A'", 0],
    ["'A.boss'", 0],
    ['\'A.peer"', 0],
    ["'.peer'", 0],
    ['AND()', 4],
    ["AND('A.peer'", 12],
    ["AND('A.peer',)", 13],
    ["AND('A.peer';'B.peer')", 12],
    ["AnD('A.peer')", 0],
    ["XOR('A.peer')", 0],
    ["constructor('A.peer')", 0],
    ["OutOf('A.peer')", 6],
    ["OutOf(2.5, 'A.peer')", 6],
    ["OutOf(-1, 'A.peer')", 6],
    ["OutOf(0, 'A.peer')", 0],
    ["OutOf(2, 'A.peer')", 0],
    ["OutOf(1000, 'A.peer')", 6],
    ["OR('A.peer') 'B.peer'", 12],
    ["AND('A.peer') or", 13],
  ])('%j is refused, and the position told', (text, position) => {
    expect(failure(text)).toMatch(/^POLICY_INVALID /);
    expect(failure(text)).toContain(`position ${position}:`);
  });

  it('is bounded in length, depth and principals', () => {
    const nested = (depth: number) => `${'OR('.repeat(depth)}'A.peer'${')'.repeat(depth)}`;
    expect(failure(nested(8))).toBe('parsed');
    expect(failure(nested(9))).toContain('nested too deeply');
    expect(failure(`OR(${Array(257).fill("'A.peer'").join()})`)).toContain('too many principals');
    expect(failure(`OR('A.peer')${' '.repeat(8192)}`)).toContain('too long');
  });

  it('names its principals', () => {
    expect(principalsOf(parsePolicy("OR('A.peer', AND('B.client','A.peer'))"))).toEqual([
      { mspId: 'A', role: 'peer' },
      { mspId: 'B', role: 'client' },
      { mspId: 'A', role: 'peer' },
    ]);
  });
});

describe('a policy is satisfied', () => {
  it('by every rule of AND, any of OR, n of OutOf', () => {
    expect(holds("AND('A.peer','B.peer')", a, b)).toBe(true);
    expect(holds("AND('A.peer','B.peer')", a, c)).toBe(false);
    expect(holds("OR('A.peer','B.peer')", b)).toBe(true);
    expect(holds("OR('A.peer','B.peer')", c)).toBe(false);
    expect(holds("OutOf(2,'A.peer','B.peer','C.peer')", c, a)).toBe(true);
    expect(holds("OutOf(2,'A.peer','B.peer','C.peer')", a)).toBe(false);
  });

  it('by roles, every one of which is a member', () => {
    expect(holds("OR('A.member')", signer('A', 'client'))).toBe(true);
    expect(holds("OR('A.peer')", signer('A', 'client'))).toBe(false);
    expect(holds("OR('A.peer')", signer('B', 'peer'))).toBe(false);
    expect(holds("OR('A.member')", { mspId: 'A', roles: new Set() })).toBe(true);
  });

  it('by each signer once', () => {
    expect(holds("AND('A.peer','A.peer')", a)).toBe(false);
    expect(holds("AND('A.peer','A.peer')", a, signer('A', 'peer'))).toBe(true);
    expect(holds("AND('A.peer','A.member')", a)).toBe(false);
  });

  it('with the signers of a failed rule free again', () => {
    expect(holds("OR(AND('A.peer','B.peer'),'A.peer')", a)).toBe(true);
    expect(holds("AND(OR(AND('A.peer','B.peer'),'C.peer'),'A.peer')", a, c)).toBe(true);
  });

  it('in the order of its rules, without search, as Fabric evaluates', () => {
    const client = signer('A', 'client');
    expect(holds("AND('A.member','A.peer')", client, a)).toBe(true);
    expect(holds("AND('A.member','A.peer')", a, client)).toBe(false);
  });

  it('the more, the more sign', () => {
    const leaf = fc.record({
      mspId: fc.constantFrom('A', 'B', 'C'),
      role: fc.constantFrom<Role>('peer', 'member', 'admin'),
    });
    const { policy } = fc.letrec<{ policy: Policy }>((tie) => ({
      policy: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        leaf,
        fc
          .tuple(fc.array(tie('policy'), { minLength: 1, maxLength: 3 }), fc.nat())
          .map(([rules, pick]) => ({ n: 1 + (pick % rules.length), rules })),
      ),
    }));
    const some = fc.constantFrom(a, b, c, signer('A', 'admin'), signer('B'));
    fc.assert(
      fc.property(policy, fc.array(some, { maxLength: 5 }), some, (tree, signers, extra) => {
        fc.pre(satisfies(tree, signers));
        expect(satisfies(tree, [...signers, extra])).toBe(true);
        expect(satisfies(tree, [])).toBe(false);
        const text = (node: Policy): string =>
          'rules' in node ? `OutOf(${[node.n, ...node.rules.map(text)].join()})` : `'${node.mspId}.${node.role}'`;
        expect(parsePolicy(`OR(${text(tree)})`)).toEqual({ n: 1, rules: [tree] });
      }),
      { numRuns: 200 },
    );
  });
});

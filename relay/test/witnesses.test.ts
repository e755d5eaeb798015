import type { Trust } from '@yilian/protocol';
import { describe, expect, it } from 'vitest';
import { gather, type Witness, Witnesses, type WitnessesOptions } from '../src/attestations.ts';

/** Whom a relay asks for signatures and shares, and in which order. */
const NEVER = () => new Promise<boolean>(() => undefined);

describe('asking the first of several', () => {
  it('asks nobody else when what they give suffices', async () => {
    const asked: string[] = [];
    const late = await gather(
      ['a', 'b', 'c'],
      async (source) => {
        asked.push(source);
        return asked.length === 2;
      },
      { first: 2 },
    );
    expect(asked).toEqual(['a', 'b']);
    expect(late).toEqual([]);
  });

  it('asks the next one as soon as one fails, and says who failed', async () => {
    const asked: string[] = [];
    const late = await gather(
      ['a', 'b', 'c'],
      async (source) => {
        asked.push(source);
        if (source === 'a') throw new TypeError('fetch failed');
        return source === 'c';
      },
      { first: 2, since: NEVER() },
    );
    expect(asked).toEqual(['a', 'b', 'c']);
    expect(late).toEqual(['a']);
  });

  it('asks on when all it asked have answered and it is not enough, and ends with the last', async () => {
    const asked: string[] = [];
    const ask = async (source: string) => asked.push(source) > 99;
    await gather(['a', 'b', 'c'], ask, { first: 1, since: NEVER() });
    expect(asked).toEqual(['a', 'b', 'c']);
    await gather([], ask, { first: 1, since: NEVER() });
    expect(asked).toHaveLength(3);
  });

  it('asks everybody once they are late, lets those go who still are, and says who', async () => {
    const signals = new Map<string, AbortSignal>();
    const late = await gather(
      ['a', 'b', 'c'],
      (source, signal) => {
        signals.set(source, signal);
        return source === 'c' ? Promise.resolve(true) : NEVER();
      },
      { first: 2 },
    );
    expect([...signals.keys()]).toEqual(['a', 'b', 'c']);
    expect(late).toEqual(['a', 'b']);
    expect(signals.get('a')?.aborted).toBe(true);
  });

  it('does not call somebody late before they have been waited for', async () => {
    const asked: string[] = [];
    const { promise: committed, resolve: commit } = Promise.withResolvers<void>();
    const gathering = gather(
      ['a', 'b'],
      (source) => {
        asked.push(source);
        return source === 'b' ? Promise.resolve(true) : NEVER();
      },
      { first: 1, since: committed },
    );
    expect(asked).toEqual(['a']);
    commit();
    await gathering;
    expect(asked).toEqual(['a', 'b']);
  });
});

describe('the witnesses of a network', () => {
  const ALL = ['A', 'B', 'C', 'D'].map((mspId): Witness => ({ mspId, url: `http://${mspId}.test` }));

  function witnesses(attestation: string): Witnesses {
    const trust = { version: 1, attestation, validFrom: 0 } as unknown as Trust;
    return new Witnesses({ trusts: async () => [trust] } as unknown as WitnessesOptions);
  }

  /** Who is asked when everybody answers, and `enough` says when that suffices. */
  async function asked(of: Witnesses, enough: number, options?: { readonly least: number }): Promise<string> {
    let names = '';
    await of.gather(
      ALL,
      async ({ mspId }) => {
        names += mspId;
        return names.length >= enough;
      },
      options,
    );
    return names;
  }

  it('are asked in turn, so many as the attestation policy needs', async () => {
    const three = witnesses("OutOf(3, 'A.member', 'B.member', 'C.member', 'D.member')");
    expect([await asked(three, 3), await asked(three, 3), await asked(three, 3)]).toEqual(['ABC', 'BCD', 'CDA']);
  });

  it('are asked until a policy that wants a certain one can be satisfied, or so many as the caller needs', async () => {
    const certain = witnesses("AND('C.member', OR('A.member', 'B.member'))");
    expect(await asked(certain, 3)).toBe('ABC');
    const one = witnesses("OR('A.member', 'B.member', 'C.member', 'D.member')");
    expect(await asked(one, 1)).toBe('A');
    expect(await asked(one, 3, { least: 3 })).toBe('BCD');
  });

  it('come last for a while once they have failed', async () => {
    const two = witnesses("OutOf(2, 'A.member', 'B.member', 'C.member', 'D.member')");
    const given = new Set<string>();
    await two.gather(ALL, async ({ mspId }) => {
      if (mspId === 'B') throw new TypeError('fetch failed');
      return given.add(mspId).size === 2;
    });
    expect([...given]).toEqual(['A', 'C']);
    expect(await asked(two, 2)).toBe('CD');
    expect(await asked(two, 4)).toBe('CDAB');
  });
});

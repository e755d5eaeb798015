import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { processorTimeOf } from '../src/processor.ts';
import type { RunRecord } from '../src/record.ts';

const REQUESTS = 10;

describe('processor time', () => {
  test('is told apart into questions and what goes on without them, from runs of different length', () => {
    fc.assert(
      fc.property(
        fc.record({ intra: ms(), cross: ms(), rest: fc.double({ min: 0, max: 0.4, noNaN: true }) }),
        fc.uniqueArray(fc.integer({ min: 3000, max: 12_000 }), { minLength: 2, maxLength: 6 }),
        ({ intra, cross, rest }, walls) => {
          const records = walls.flatMap((wallMs) => [
            run('ours', wallMs, { intra, cross }, rest),
            // Whose questions cost something else, on a machine whose rest is the same.
            run('other', wallMs / 2, { intra: 3 * cross, cross: intra }, rest),
          ]);
          const found = processorTimeOf(records, 'ours');
          expect(found?.perQuestion.intra).toBeCloseTo(intra, 6);
          expect(found?.perQuestion.cross).toBeCloseTo(cross, 6);
          expect(found?.restShare).toBeCloseTo(rest, 6);
        },
      ),
    );
  });

  test('of a single run is all its questions’', () => {
    const [perQuestion, wallMs] = [{ intra: 20, cross: 50 }, 8000];
    expect(processorTimeOf([run('ours', wallMs, perQuestion, 0.1)], 'ours')).toEqual({
      perQuestion: { intra: 20 + 80, cross: 50 + 80 },
      restShare: 0,
    });
  });

  test('of mixtures alone, of other schemes or of nothing is not known', () => {
    const mixed = run('ours', 8000, { intra: 20, cross: 50 }, 0.1);
    const parts = mixed.parts.map((part) => ({ ...part, kinds: ['intra', 'cross'] as const }));
    expect(processorTimeOf([{ ...mixed, parts }], 'ours')).toBeUndefined();
    expect(processorTimeOf([mixed], 'theirs')).toBeUndefined();
    expect(processorTimeOf([], 'ours')).toBeUndefined();
  });
});

function ms(): fc.Arbitrary<number> {
  return fc.double({ min: 1, max: 200, noNaN: true });
}

/** One run whose processor was asked for so much by each question, and for a share of its time besides. */
function run(id: string, wallMs: number, perQuestion: { intra: number; cross: number }, rest: number): RunRecord {
  const kinds = ['intra', 'cross'] as const;
  const scheme: RunRecord['scheme'] = {
    id,
    role: 'ours',
    title: id,
    titleZh: id,
    about: '',
    aboutZh: '',
    metadataReaders: 0,
    queryWitnesses: 0,
    organisations: 0,
    copies: 0,
  };
  return {
    format: 'yilian-evaluation-run/v1',
    cell: id,
    run: 0,
    scheme,
    samples: [],
    marks: [],
    calibrations: [],
    parts: kinds.map((kind) => ({
      kinds: [kind],
      requests: REQUESTS,
      answered: REQUESTS,
      wallMs,
      cpuMs: REQUESTS * perQuestion[kind] + rest * wallMs,
      bytesBetween: 0,
      bytesWithin: 0,
      chainBytes: 0,
    })),
  };
}

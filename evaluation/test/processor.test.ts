import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idleShareOf, perQuestionOf } from '../src/processor.ts';
import type { RunRecord } from '../src/record.ts';

const REQUESTS = 10;
const IDLE_MS = 2000;

describe('processor time', () => {
  test('is told apart into questions and what goes on without them, however long a run took', () => {
    fc.assert(
      fc.property(
        fc.record({ intra: ms(), cross: ms(), idle: fc.double({ min: 0, max: 1.4, noNaN: true }) }),
        fc.array(fc.integer({ min: 3000, max: 12_000 }), { minLength: 1, maxLength: 6 }),
        ({ intra, cross, idle }, walls) => {
          const records = walls.map((wallMs) => run(wallMs, { intra, cross }, idle));
          const found = perQuestionOf(records);
          expect(found?.intra).toBeCloseTo(intra, 6);
          expect(found?.cross).toBeCloseTo(cross, 6);
          expect(idleShareOf(records)).toBeCloseTo(idle, 9);
        },
      ),
    );
  });

  test('of mixtures, of nothing, and where questions took less than nothing, is not known', () => {
    const apart = run(8000, { intra: 20, cross: 50 }, 0.1);
    const parts = apart.parts.map((part) => ({ ...part, kinds: ['intra', 'cross'] as const }));
    expect(perQuestionOf([{ ...apart, parts }])).toBeUndefined();
    expect(perQuestionOf([{ ...apart, idle: { wallMs: IDLE_MS, cpuMs: IDLE_MS } }])).toBeUndefined();
    expect(perQuestionOf([])).toBeUndefined();
    expect(idleShareOf([])).toBe(0);
  });
});

function ms(): fc.Arbitrary<number> {
  return fc.double({ min: 1, max: 200, noNaN: true });
}

/** One run whose processor was asked for so much by each question, and for a share of its time besides. */
function run(wallMs: number, perQuestion: { intra: number; cross: number }, idleShare: number): RunRecord {
  const kinds = ['intra', 'cross'] as const;
  return {
    format: 'yilian-evaluation-run/v2',
    cell: 'cell',
    run: 0,
    scheme: {
      id: 'ours',
      role: 'ours',
      title: '',
      titleZh: '',
      about: '',
      aboutZh: '',
      metadataReaders: 0,
      queryWitnesses: 0,
      organisations: 0,
      copies: 0,
    },
    samples: [],
    marks: [],
    calibrations: [],
    idle: { wallMs: IDLE_MS, cpuMs: idleShare * IDLE_MS },
    parts: kinds.map((kind) => ({
      kinds: [kind],
      requests: REQUESTS,
      answered: REQUESTS,
      wallMs,
      cpuMs: REQUESTS * perQuestion[kind] + idleShare * wallMs,
      bytesBetween: 0,
      bytesWithin: 0,
      chainBytes: 0,
    })),
  };
}

import { describe, expect, it } from 'vitest';
import { check, type Rule } from '../src/checker.ts';
import { DOCTORED } from './doctored.ts';
import { soundEvidence } from './sound.ts';

const rules = Object.keys(DOCTORED) as Rule[];

describe('the checker', () => {
  it('has nothing against sound evidence', () => {
    expect(check(soundEvidence())).toEqual([]);
  });

  it.each(rules)('sees %s in evidence that was doctored so', (rule) => {
    expect(check(DOCTORED[rule](soundEvidence())).map((violation) => violation.rule)).toContain(rule);
  });

  it('takes an invalid transaction for nothing: what it would have written is lost', () => {
    const { away, ...rest } = soundEvidence();
    const history = away.history.map((transaction) => ({ ...transaction, valid: false }));
    const found = check({ ...rest, away: { ...away, history } }).map(({ rule }) => rule);
    expect(new Set(found)).toEqual(new Set(['REQUEST_LOST', 'OUTCOME_UNASKED']));
  });
});

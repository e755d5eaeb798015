import type { Verdict } from '../results.ts';

const STEPS = 100;
/** Halvings of one step: further than any measurement tells apart. */
const HALVINGS = 30;

/** Where one scheme is ahead of another, in shares (0..1) of queries that stay in their region. */
export interface Lead {
  readonly verdict: Verdict;
  /** Least share above which it stays ahead: 0 if it always is, 1 if it is not ahead when all queries stay. */
  readonly from: number;
  /** Greatest share below which it stays ahead: 1 if it always is, 0 if it is not ahead when no query stays. */
  readonly until: number;
}

/**
 * `difference(share)` is what a scheme takes more than its rival; below zero it is ahead. A tie is not a lead, nor is it
 * one for the rival: ahead somewhere and behind nowhere is `always`, a tie throughout is `never`. Quantiles of mixtures
 * can cross more than once. Then only a lead that lasts to an end counts, and if both ends have one the verdict names
 * the intra one: `above` always means ahead at every share above `from`. A lead in the middle alone is `never`.
 */
export function lead(difference: (intraShare: number) => number): Lead {
  const grid = Array.from({ length: STEPS + 1 }, (_, step) => difference(step / STEPS));
  const from = leadFrom(grid, difference);
  const until = 1 - leadFrom(grid.toReversed(), (share) => difference(1 - share));
  const verdict = from === 0 ? 'always' : from < 1 ? 'above' : until > 0 ? 'below' : 'never';
  return { verdict, from, until };
}

function leadFrom(grid: readonly number[], difference: (share: number) => number): number {
  const behind = grid.findLastIndex((more) => more > 0);
  const ahead = grid.findIndex((more, step) => step > behind && more < 0);
  if (ahead < 0) return 1;
  if (behind < 0) return 0;
  let [low, high] = [behind / STEPS, ahead / STEPS];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (difference(middle) < 0) high = middle;
    else low = middle;
  }
  return high;
}

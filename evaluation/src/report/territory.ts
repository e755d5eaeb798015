import type { Crossover } from '../results.ts';
import { html, type Markup, svg } from './markup.ts';
import type { Scale } from './plot.ts';
import { drawing, linear, round } from './plot.ts';
import { isSettled } from './view.ts';

type Divided = Pick<Crossover, 'verdict' | 'crossover'> & Partial<Pick<Crossover, 'verdicts'>>;

/** Where a scheme is ahead over the shares 0..100 %. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly side: 'ahead' | 'behind' | 'undecided';
}

/** The shares 0..100 % as a comparison divides them; undecided where resamples do not agree. */
export function stretches(comparison: Divided): readonly Stretch[] {
  const { verdict, crossover } = comparison;
  if (!isSettled(comparison)) return [{ from: 0, to: 100, side: 'undecided' }];
  if (verdict === 'always') return [{ from: 0, to: 100, side: 'ahead' }];
  if (verdict === 'never') return [{ from: 0, to: 100, side: 'behind' }];
  if (crossover === undefined) return [{ from: 0, to: 100, side: 'undecided' }];
  const at = inShare(crossover.value);
  const [under, over] = verdict === 'above' ? (['behind', 'ahead'] as const) : (['ahead', 'behind'] as const);
  return [
    { from: 0, to: at, side: under },
    { from: at, to: 100, side: over },
  ];
}

export function inShare(percent: number): number {
  return Math.min(100, Math.max(0, percent));
}

/** Rectangles along a horizontal axis of shares. */
export function strip(comparison: Divided, x: Scale, y: number, height: number): Markup {
  return svg`<g class="territory">${stretches(comparison).map(
    ({ from, to, side }) =>
      svg`<rect class="${side}" x="${round(x(from))}" y="${y}" width="${round(x(to) - x(from))}" height="${height}" data-from="${from}" data-to="${to}"/>`,
  )}</g>`;
}

const BAR = { width: 360, height: 16 };

/** One comparison as a bar from 0 to 100 %, its crossing with the interval on it. */
export function territoryBar(comparison: Crossover, labelledBy: string): Markup {
  const x = linear([0, 100], [0, BAR.width]);
  const { crossover } = comparison;
  const interval =
    crossover &&
    svg`<path class="interval" d="M${round(x(inShare(crossover.low)))} 8H${round(x(inShare(crossover.high)))}"/>
<path class="crossing" d="M${round(x(inShare(crossover.value)))} 0V16"/>`;
  return html`<div class="bar">${drawing(BAR, labelledBy, svg`${strip(comparison, x, 3, 10)}${interval}`)}
<p class="ticks"><span>0</span><span>25</span><span>50</span><span>75</span><span>100 %</span></p></div>`;
}

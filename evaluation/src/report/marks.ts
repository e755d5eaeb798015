import type { Mark } from '../results.ts';
import { type Markup, type Part, svg } from './markup.ts';
import { round } from './plot.ts';

/** How a value is drawn: whole, or hollow where a flag asks for care. */
function marked(marks: readonly Mark[]): 'whole' | 'flagged' {
  return marks.length === 0 ? 'whole' : 'flagged';
}

/** Codes and details, for whoever points at the drawing. */
export function reasons(marks: readonly Mark[]): string {
  return marks.map(({ code, detail }) => `${code}: ${detail}`).join('; ');
}

/** A value of the first scheme (circle) or of the second (square). */
export function dot(
  side: 'ours' | 'theirs',
  x: number,
  y: number,
  marks: readonly Mark[],
  cell: string,
  title: Part,
): Markup {
  const shape =
    side === 'ours'
      ? svg`<circle cx="${round(x)}" cy="${round(y)}" r="3.2"`
      : svg`<rect x="${round(x - 2.9)}" y="${round(y - 2.9)}" width="5.8" height="5.8"`;
  const name = side === 'ours' ? 'circle' : 'rect';
  return svg`${shape} class="dot ${marked(marks)}" data-cell="${cell}"><title>${title}</title></${name}>`;
}

/** The place of a void cell, without its value. */
export function voidMark(x: number, y: number, marks: readonly Mark[], cell: string): Markup {
  const [cx, cy] = [round(x), round(y)];
  return svg`<path class="void" d="M${cx - 3.5} ${cy - 3.5}l7 7m0 -7l-7 7" data-cell="${cell}"><title>${cell} · ${reasons(marks)}</title></path>`;
}

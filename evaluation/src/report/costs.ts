import type { Cell } from '../results.ts';
import { bytes, milliseconds, percent } from './format.ts';
import { html, type Markup, svg, type Text } from './markup.ts';
import { drawing, linear, round, ticks } from './plot.ts';
import { TEXTS } from './texts.ts';
import { type Group, isVoid, type View } from './view.ts';

const ROW = 36;
const WIDTH = 360;
const LEFT = 6;
const RIGHT = 12;

type Cost = keyof Cell['perRequest'];

const COSTS: readonly { readonly cost: Cost; readonly label: Text; readonly format: (value: number) => string }[] = [
  { cost: 'bytesBetween', label: TEXTS.bytesBetween, format: bytes },
  { cost: 'bytesWithin', label: TEXTS.bytesWithin, format: bytes },
  { cost: 'chainBytes', label: TEXTS.chainBytes, format: bytes },
  { cost: 'cpuMs', label: TEXTS.cpuMs, format: milliseconds },
];

/** What one query moves, writes and computes: each scheme at both ends of the shares measured. */
export function costPanels(view: View, group: Group): readonly Markup[] {
  const rows = view.schemes(group).flatMap((scheme) => {
    const sound = view.cells(group, scheme).filter((cell) => !isVoid(cell));
    const [lowest, highest] = [sound[0], sound.at(-1)];
    return lowest === undefined || highest === undefined ? [] : [{ scheme, lowest, highest }];
  });
  if (rows.length === 0) return [];
  return COSTS.map(({ cost, label, format }) => {
    const id = `cost-${cost}`;
    const values = rows.flatMap(({ lowest, highest }) => [lowest.perRequest[cost], highest.perRequest[cost]]);
    const marks = ticks([0, Math.max(...values, Number.MIN_VALUE)], 4);
    const x = linear([0, marks.at(-1) ?? 1], [LEFT, WIDTH - RIGHT]);
    const bottom = rows.length * ROW + 4;
    return html`<figure class="panel"><figcaption id="${id}">${label}</figcaption>
${drawing(
  { width: WIDTH, height: bottom + 20 },
  id,
  svg`<g class="grid">${marks.map((tick) => svg`<path d="M${round(x(tick))} 2V${bottom}"/>`)}</g>
<g class="axis x">${marks.map((tick, index) => svg`<text class="${index === 0 ? 'start' : index === marks.length - 1 ? 'end' : 'middle'}" x="${round(x(tick))}" y="${bottom + 14}" data-tick="${tick}">${format(tick)}</text>`)}</g>
${rows.map(({ scheme, lowest, highest }, index) => {
  const y = index * ROW + 28;
  const [from, to] = [x(lowest.perRequest[cost]), x(highest.perRequest[cost])];
  return svg`<g class="cost ${view.role(scheme)}"><text class="name start" x="${LEFT}" y="${y - 11}">${view.title(scheme)}</text>
<path class="whisker" d="M${round(from)} ${y}H${round(to)}"/>
<path class="dot" d="M${round(from - 5)} ${y}l5 -5l5 5l-5 5z" data-cell="${lowest.id}"><title>${said(lowest, cost, format)}</title></path>
<circle class="dot" cx="${round(to)}" cy="${y}" r="4" data-cell="${highest.id}"><title>${said(highest, cost, format)}</title></circle></g>`;
})}`,
)}</figure>`;
  });
}

function said({ conditions, perRequest }: Cell, cost: Cost, format: (value: number) => string): string {
  return `${conditions.scheme} · ${percent(conditions.intraPercent)} · ${format(perRequest[cost])}`;
}
